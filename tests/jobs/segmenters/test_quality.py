"""Duplicates are those of a naive count, found faster; the quality of made masks is known."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobs.segmenters import Box, Found
from jobs.segmenters.quality import distinct, quality
from pipeline.documents import MaskQuality, NamedObject

CUP = NamedObject(name="cup")


def naive(masks: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for i, mask in enumerate(masks):
        ious = [(mask & masks[j]).sum() / max((mask | masks[j]).sum(), 1) for j in kept]
        if all(iou <= limit for iou in ious):
            kept.append(i)
    return kept


@given(
    st.integers(1, 6).flatmap(lambda n: arrays(np.bool_, (n, 3, 4))),
    st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
)
def test_duplicates_are_those_of_the_naive_count(masks: np.ndarray, limit: float) -> None:
    assert distinct(masks, limit) == naive(masks, limit)


def test_exactly_seventy_percent_is_no_duplicate() -> None:
    first, seven, eight = np.zeros((3, 1, 10), np.bool_)
    first[:], seven[:, :7], eight[:, :8] = True, True, True
    assert distinct(np.stack([first, seven]), 0.7) == [0, 1]
    assert distinct(np.stack([first, eight]), 0.7) == [0]


def test_a_duplicate_of_a_dropped_one_is_kept() -> None:
    masks = np.zeros((3, 1, 100), np.bool_)
    masks[0, :, :80], masks[1, :, 10:80], masks[2, :, 20:80] = True, True, True
    assert distinct(masks, 0.8) == [0, 2]


def blobs(count: int, side: int) -> np.ndarray:
    """Ellipses of many sizes, some of them nearly alike."""
    draw = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side] / side
    ellipses = []
    for i in range(count):
        cx, cy, a, b = draw.uniform(0.2, 0.8, 2).tolist() + draw.uniform(0.1, 0.4, 2).tolist()
        ellipses.append(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1)
        if i % 3 == 2:
            ellipses[-1] = np.roll(ellipses[-2], side // 40, axis=1)
    return np.stack(ellipses)


def test_large_masks_give_the_same_and_much_faster() -> None:
    """The paper's size, as many masks as are kept of a picture's boxes. Measured on one busy core:
    the naive count takes about ten times as long."""
    masks = blobs(32, 1024)
    begun = time.process_time()
    kept = distinct(masks, 0.7)
    fast = time.process_time() - begun
    begun = time.process_time()
    assert naive(masks, 0.7) == kept and len(kept) < len(masks)
    slow = time.process_time() - begun
    print(f"packed {fast:.3f} s, naive {slow:.3f} s")
    assert slow > 3 * fast


def found(mask: np.ndarray, box: Box | None = None, iou: float | None = None) -> MaskQuality:
    return quality(Found(CUP, mask, box=box, predicted_iou=iou))


def test_pieces_and_holes_are_counted() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[2:9, 2:9] = True
    assert found(mask) == MaskQuality(components=1, holes=0)
    mask[4, 4] = mask[6, 6:8] = False
    assert found(mask) == MaskQuality(components=1, holes=2)
    mask[12:15, 12:15] = mask[19, 19] = True
    assert found(mask) == MaskQuality(components=3, holes=2)
    mask[6, 8] = False  # the second hole now opens to the outside
    assert found(mask) == MaskQuality(components=3, holes=1)


def test_pieces_that_touch_at_a_corner_are_one_and_holes_that_do_are_two() -> None:
    mask = np.zeros((6, 6), np.bool_)
    mask[1, 1] = mask[2, 2] = True
    assert found(mask).components == 1
    mask[:] = True
    mask[2, 2] = mask[3, 3] = False
    assert found(mask).holes == 2


def test_a_mask_at_the_edge_of_the_picture_has_no_hole_there() -> None:
    mask = np.ones((8, 8), np.bool_)
    mask[3, 0] = mask[0, 5] = False
    assert found(mask) == MaskQuality(components=1, holes=0)


@given(st.integers(0, 1 << 32), st.integers(1, 9))
def test_pieces_and_holes_satisfy_the_euler_number(seed: int, side: int) -> None:
    mask = np.random.default_rng(seed).random((side, side)) < 0.6
    mask[0, 0] = True
    made = found(mask)
    grown = np.pad(mask, 1).astype(int)
    squares = grown[:-1, :-1] + grown[1:, :-1] + grown[:-1, 1:] + grown[1:, 1:]
    alike = (grown[:-1, :-1] == grown[1:, 1:]) & (grown[:-1, 1:] == grown[1:, :-1])
    diagonal = int((alike & (squares == 2)).sum())
    euler = (int((squares == 1).sum()) - int((squares == 3).sum()) - 2 * diagonal) / 4
    assert made.components - made.holes == euler


@pytest.mark.parametrize(
    ("box", "agreement"),
    [((2, 3, 12, 13), 1.0), ((2, 3, 12, 8), 0.5), ((7, 3, 17, 13), 1 / 3), ((13, 3, 20, 13), 0.0)],
)
def test_the_box_of_the_detector_is_compared_with_that_of_the_mask(
    box: Box, agreement: float
) -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[3:13, 2], mask[3, 2:12] = True, True
    made = found(mask, box, 0.75)
    assert made.box_agreement == pytest.approx(agreement) and made.predicted_iou == 0.75
