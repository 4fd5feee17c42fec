"""The stand-in finds areas of a colour in any picture, without knowing what they are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jobs.segmenters import Found
from jobs.segmenters.classical import load
from jobs.vlms import rules
from pipeline.config import Config
from pipeline.documents import NamedObject, Objects, Source
from pipeline.records import ToPropose, ToSegment

PHOTOS = Path(__file__).parents[2] / "data" / "photos" / "images"
SOURCE = Source(source_id="s", split="train", base="real")


def find(config: Config, image: np.ndarray, *names: str) -> list[Found]:
    objects = Objects(objects=tuple(NamedObject(name=name) for name in names))
    (seen,) = load(config).segment([ToSegment("0", SOURCE, image, objects)])
    return seen.found


def red_on_green(side: int) -> tuple[np.ndarray, np.ndarray]:
    image = np.full((side, side, 3), (30, 160, 40), np.uint8)
    square = np.zeros((side, side), np.bool_)
    square[side // 4 : side // 2, side // 3 : 2 * side // 3] = True
    image[square] = (220, 20, 30)
    return image, square


@pytest.mark.parametrize("side", [64, 160, 257, 512])
def test_a_red_square_on_green_is_found(standin: Config, side: int) -> None:
    image, square = red_on_green(side)
    (found,) = find(standin, image, "red area")
    assert found.mask.shape == (side, side) and found.mask.dtype == np.bool_
    assert (found.mask & square).sum() / (found.mask | square).sum() > 0.85
    assert found.thing.name == "red area"


def test_the_order_is_that_of_the_objects(standin: Config) -> None:
    image, _ = red_on_green(64)
    for names in (["green area", "red area"], ["red area", "green area"]):
        assert [one.thing.name for one in find(standin, image, *names)] == names


def test_masks_have_no_holes(standin: Config) -> None:
    image, _ = red_on_green(128)
    (green,) = find(standin, image, "green area")
    assert green.mask.all(), "the square is a hole in the green area"


def test_of_several_areas_of_a_colour_the_largest_comes_first(standin: Config) -> None:
    image = np.full((128, 128, 3), 255, np.uint8)
    image[10:30, 10:30], image[60:120, 60:120] = (250, 0, 0), (250, 0, 0)
    found = find(standin, image, "red area")
    assert found[0].mask[62:118, 62:118].all() and not found[0].mask[:50].any()
    assert any(one.mask[12:28, 12:28].all() for one in found[1:])
    areas = [int(one.mask.sum()) for one in found]
    assert areas == sorted(areas, reverse=True)


def test_what_is_no_colour_or_not_there_is_not_found(standin: Config) -> None:
    image, _ = red_on_green(64)
    assert find(standin, image, "dog", "blue area", "") == []
    assert find(standin, image) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([32, 63, 200]))
def test_any_picture_gets_masks_of_its_own_size(standin: Config, seed: int, side: int) -> None:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST))
    (objects,) = rules.load(standin).propose([ToPropose("0", SOURCE, image)])
    assert objects is not None
    found = find(standin, image, *(thing.name for thing in objects.objects))
    assert all(one.mask.shape == (side, side) and one.mask.any() for one in found)


def test_a_photograph_has_areas_and_the_same_ones_again(standin: Config) -> None:
    with Image.open(PHOTOS / "flower.jpg") as photograph:
        image = np.asarray(photograph.convert("RGB").resize((256, 256)))
    first, again = (find(standin, image, "green area", "black area", "red area") for _ in range(2))
    assert len(first) == len(again) >= 1
    assert all((a.mask == b.mask).all() for a, b in zip(first, again, strict=True))
