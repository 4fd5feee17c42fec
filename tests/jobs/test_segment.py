"""Which masks may be edited: of the right size, distinct, people first."""

from collections.abc import Sequence

import numpy as np
import pytest

from jobs.segment import segment
from jobs.segmenters import Found, Seen
from pipeline.config import RegionRules
from pipeline.documents import MaskQuality, NamedObject, Objects, Source
from pipeline.records import Reject, Segmented, ToSegment

RULES = RegionRules()
CUP = NamedObject(name="cup", category="food")
MAN = NamedObject(name="man", category="humans")


class Fixed:
    """Finds what it was given; counts what it was asked."""

    def __init__(self, *found: Found) -> None:
        self.found, self.asked = list(found), 0

    model = ""

    def segment(self, items: Sequence[ToSegment]) -> list[Seen]:
        self.asked += len(items)
        return [Seen(self.found, ("object 1: unreadable",)) for _ in items]


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    plane = np.zeros((20, 20), np.bool_)
    plane[top:bottom, left:right] = True
    return plane


def item(
    key: str = "0", objects: tuple[NamedObject, ...] = (), planes: Sequence[np.ndarray] = ()
) -> ToSegment:
    source = Source(source_id="s", split="train", base="real", objects=objects)
    image = np.zeros((20, 20, 3), np.uint8)
    return ToSegment(
        key, source, image, Objects(objects=objects), np.stack(planes) if planes else None
    )


def one(segmenter: Fixed, rules: RegionRules, sample: ToSegment) -> Segmented:
    (result,) = segment(segmenter, rules, [sample])
    assert isinstance(result, Segmented)
    return result


def test_annotated_pictures_are_not_segmented() -> None:
    segmenter = Fixed(Found(CUP, box(0, 0, 5, 5), 0.5))
    bare, own = item("0"), item("1", (MAN, CUP), [box(0, 0, 9, 9), box(10, 10, 20, 20)])
    first, second = segment(segmenter, RULES, [bare, own])
    assert segmenter.asked == 1
    assert isinstance(first, Segmented) and isinstance(second, Segmented)
    assert [region.name for region in second.regions.regions] == ["man", "cup"]
    assert {region.origin for region in second.regions.regions} == {"annotation"}
    assert first.regions.notes == ("object 1: unreadable",) and second.regions.notes == ()
    (region,) = first.regions.regions
    assert (region.origin, region.score) == ("segmenter", 0.5)


def test_regions_describe_their_planes() -> None:
    found = one(Fixed(Found(CUP, box(3, 5, 9, 15))), RULES, item())
    (region,) = found.regions.regions
    assert region.box == (3, 5, 9, 15) and region.area == pytest.approx(60 / 400)
    assert region.quality == MaskQuality(components=1, holes=0)
    assert found.masks.shape == (1, 20, 20) and (found.masks[0] == box(3, 5, 9, 15)).all()


def test_people_come_first_and_otherwise_the_order_stands() -> None:
    planes = [box(0, 0, 10, 10), box(10, 0, 20, 10), box(0, 10, 10, 20)]
    named = [Found(CUP, planes[0]), Found(MAN, planes[1]), Found(CUP, planes[2])]
    found = one(Fixed(*named), RULES, item())
    assert [region.name for region in found.regions.regions] == ["man", "cup", "cup"]
    assert (found.masks == np.stack([planes[1], planes[0], planes[2]])).all()


def test_masks_of_the_wrong_size_are_dropped() -> None:
    rules = RegionRules(min_area=0.05, max_area=0.5)
    small, fine, large = box(0, 0, 4, 4), box(0, 0, 5, 4), box(0, 0, 20, 11)
    found = one(Fixed(*(Found(CUP, mask) for mask in (small, fine, large))), rules, item())
    assert (found.masks == fine[None]).all()


@pytest.mark.parametrize("masks", [[], [box(0, 0, 1, 1)], [box(0, 0, 20, 20)], [box(0, 0, 0, 0)]])
def test_a_picture_without_an_editable_mask_has_no_regions(masks: list[np.ndarray]) -> None:
    rules = RegionRules(min_area=0.005)
    (result,) = segment(Fixed(*(Found(CUP, mask) for mask in masks)), rules, [item()])
    assert isinstance(result, Reject) and result.reason == "no-regions"
    assert result.detail.startswith(f"{len(masks)} masks")
    assert result.detail.endswith("; object 1: unreadable")


def test_an_empty_mask_is_no_region_even_without_a_limit() -> None:
    rules = RegionRules(min_area=0)
    (result,) = segment(Fixed(Found(CUP, box(0, 0, 0, 0))), rules, [item()])
    assert isinstance(result, Reject) and result.reason == "no-regions"


def test_duplicates_are_counted_and_the_number_of_regions_is_bounded() -> None:
    masks = [box(0, i, 20, i + 2) for i in range(0, 20, 2)]
    twice = [Found(CUP, mask) for mask in masks + masks[:3]]
    found = one(Fixed(*twice), RegionRules(max_regions=4), item())
    assert found.regions.duplicates == 3
    assert (found.masks == np.stack(masks[:4])).all() and len(found.regions.regions) == 4
