"""The stand-in answers by rules: the same question, the same answer."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from jobs.taxonomy import CATEGORIES
from jobs.vlms import Judged, Unparsable, Wish
from jobs.vlms.rules import LOOKS, NEWCOMERS, load
from pipeline.config import Config
from pipeline.documents import EditType, NamedObject, Objects, Prompt, Region, Score, Source
from pipeline.records import ToPropose

IMAGE = np.zeros((10, 10, 3), np.uint8)
MASK = np.ones((10, 10), np.bool_)


@pytest.fixture(scope="module")
def prompted(standin: Config) -> Callable[..., Prompt]:
    def ask(edit: EditType, category: str = "animals", seed: int = 0) -> Prompt:
        region = Region(name="cat", category=category, area=0.1, box=(0, 0, 1, 1),
                        origin="segmenter")  # fmt: skip
        wish = Wish(IMAGE, MASK, region, edit, seed)
        first, again = load(standin).prompt([wish, wish])
        assert isinstance(first, Prompt) and first == again
        return first

    return ask


@pytest.fixture(scope="module")
def scored(standin: Config) -> Callable[..., Score | Unparsable]:
    def ask(image: np.ndarray, edited: np.ndarray) -> Score | Unparsable:
        first, again = load(standin).score([Judged(image, edited), Judged(image, edited)])
        assert first == again
        return first

    return ask


def names(config: Config, image: np.ndarray, *objects: NamedObject) -> list[str]:
    source = Source(source_id="s", split="train", base="real", objects=objects)
    (found,) = load(config).propose([ToPropose("0", source, image)])
    assert isinstance(found, Objects)
    return [one.name for one in found.objects]


def test_annotated_objects_are_proposed_once_and_people_first(standin: Config) -> None:
    cat, man = (NamedObject(name="cat", category="animals"),
                NamedObject(name="man", category="humans"))  # fmt: skip
    assert names(standin, IMAGE, cat, man, cat) == ["man", "cat"]


def test_else_the_main_colours_are_proposed_the_largest_first(standin: Config) -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    image[:6], image[6:9], image[9, :8] = (0, 200, 0), (250, 0, 0), (0, 0, 250)
    image[9, 8:] = (255, 255, 255)  # 2 %: too little to be proposed
    assert names(standin, image) == ["green area", "red area", "blue area"]


@given(arrays(np.uint8, (5, 5, 3)))
def test_there_is_always_something_to_propose(standin: Config, image: np.ndarray) -> None:
    assert names(standin, image)


def test_an_addition_removes_first_and_then_adds(prompted: Callable[..., Prompt]) -> None:
    addition, removal = prompted("addition"), prompted("removal")
    assert addition.texts[0] == removal.texts[0] and "background" in addition.texts[0]
    assert len(addition.texts) == 2 and len(removal.texts) == 1
    assert addition.target in addition.texts[1] and "cat" not in addition.texts[1]
    assert removal.target == "cat" and "cat" in removal.texts[0]


def test_an_attribute_keeps_the_object(prompted: Callable[..., Prompt]) -> None:
    made = prompted("attribute")
    assert len(made.texts) == 1 and "cat" in made.texts[0] and made.target == "cat"


def test_the_seed_draws_the_wording(prompted: Callable[..., Prompt]) -> None:
    looks = {prompted("attribute", seed=seed).texts for seed in range(len(LOOKS))}
    assert len(looks) == len(LOOKS)
    assert prompted("addition", seed=0) != prompted("addition", seed=1)


@pytest.mark.parametrize("category", [*CATEGORIES, "unheard of"])
def test_every_category_has_newcomers(prompted: Callable[..., Prompt], category: str) -> None:
    wanted = NEWCOMERS.get(category, NEWCOMERS["other"])
    assert {prompted("addition", category, seed).target for seed in (0, 1)} == set(wanted)


def test_nothing_edited_or_everything_edited_cannot_be_judged(
    scored: Callable[..., Score | Unparsable],
) -> None:
    assert scored(IMAGE, ~MASK) == Unparsable()
    assert scored(IMAGE, MASK) == Unparsable()


def test_what_fits_scores_high_and_what_does_not_scores_low(
    scored: Callable[..., Score | Unparsable],
) -> None:
    edited = np.zeros((10, 10), np.bool_)
    edited[3:6, 3:6] = True
    glaring = IMAGE.copy()
    glaring[edited] = 255
    best, worst = scored(IMAGE, edited), scored(glaring, edited)
    assert isinstance(best, Score) and isinstance(worst, Score)
    assert (best.score, worst.score) == (5, 0) and "255 levels" in worst.reason


@given(arrays(np.uint8, (4, 4, 3)), arrays(np.bool_, (4, 4)))
def test_a_score_lies_between_zero_and_five(
    scored: Callable[..., Score | Unparsable], image: np.ndarray, edited: np.ndarray
) -> None:
    found = scored(image, edited)
    assert isinstance(found, Score) != (edited.all() or not edited.any())
    assert isinstance(found, Unparsable) or (0 <= found.score <= 5 and float(found.raw) <= 5)
