"""Boundary F1 of all classes at once, for several tolerances in one pass.

The cost is in the length of the boundaries rather than in classes times pixels: `metrics` has the
definition. Boundaries are one bit a class in a byte, eight classes at a time. A short boundary is
looked up pixel by pixel in the other map, nearest pixels first; from a length on where that takes
more time than every pixel of the picture, the other map is dilated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Counts = NDArray[np.int64]

GROUP = 8
#: A boundary is short when its pixels times this times the tolerance are no more than those of the
#: picture: both ways take the same time at about 5000 pixels of 512 x 512 at 6 px.
SHORT = 8
_BITS = (np.arange(256)[:, None] >> np.arange(GROUP) & 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Disks:
    """Disks of ascending radii on flat maps: `offsets` of the largest, nearest first and modulo
    2**64, how many of them each takes (`cuts`, multiples of four), and how far each reaches to a
    side at a distance of 0, 1, ... rows (`widths`)."""

    reach: int
    offsets: NDArray[np.uint64]
    cuts: NDArray[np.int64]
    widths: tuple[NDArray[np.int64], ...]


def f1(gt: Bytes, pred: Bytes, tolerances: Sequence[float]) -> list[dict[int, float]]:
    """`metrics.boundary_f1` for each of `tolerances`, of (H, W) uint8, contiguous and writable.

    Raises ValueError for a tolerance below 0 or nan."""
    if not all(tolerance >= 0 for tolerance in tolerances):
        raise ValueError(f"a tolerance is a distance in pixels, not {tolerances}")
    found: list[dict[int, float]] = [{} for _ in tolerances]
    if not gt.size or not tolerances:
        return found
    ascending = sorted(range(len(tolerances)), key=lambda i: tolerances[i])
    disks = _disks(tuple(tolerances[i] for i in ascending), *gt.shape)
    for first in range(1, max(int(gt.max()), int(pred.max())) + 1, GROUP):
        truth, guess = (_edges(labels, first, disks.reach) for labels in (gt, pred))
        recall = _matched(truth, guess, gt.shape, disks)
        precision = _matched(guess, truth, gt.shape, disks)
        for bit in range(GROUP):
            of_gt, of_pred = recall[0][bit], precision[0][bit]
            full = [labels.flat[0] == first + bit for labels in (gt, pred)]
            if of_gt or of_pred:
                for place, i in enumerate(ascending, 1):
                    found[i][first + bit] = _score(
                        precision[place][bit], of_pred, recall[place][bit], of_gt
                    )
            elif any(full):  # no boundary: the map is of one class from its first pixel on
                for scores in found:
                    scores[first + bit] = float(all(full))
    return found


@lru_cache(maxsize=16)
def _disks(radii: tuple[float, ...], height: int, width: int) -> Disks:
    limit = max(height, width)  # further than that, there is no pixel in any direction
    reach = int(min(radii[-1], limit))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    square, offsets = y * y + x * x, y * (width + reach) + x
    rings: list[NDArray[np.int64]] = []
    inner = -1.0
    for radius in radii:
        ring = (square > inner) & (square <= radius**2)
        found = offsets[ring][np.argsort(square[ring], kind="stable")]
        rings.append(np.append(found, found[-1:].repeat(-len(found) % 4)))  # again: no harm done
        inner = radius**2
    return Disks(
        reach,
        np.concatenate(rings).astype(np.int64).view(np.uint64),
        np.cumsum([len(ring) for ring in rings]),
        tuple(_widths(square[reach:, reach:] <= radius**2) for radius in radii),
    )


def _widths(quarter: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = quarter[quarter.any(axis=1)]
    widths: NDArray[np.int64] = rows.sum(axis=1, dtype=np.int64) - 1
    return widths


def _edges(labels: Bytes, first: int, reach: int) -> Bytes:
    from training import boundary_kernels as kernels

    height, width = labels.shape
    size = (height + 2 * reach) * (width + reach) + reach
    found = np.zeros(-(-size // 8) * 8, np.uint8)
    kernels.edges(labels, np.uint8(first), reach, found)
    return found


def _matched(mine: Bytes, other: Bytes, shape: tuple[int, ...], disks: Disks) -> list[list[int]]:
    """Boundary pixels of each class in `mine`, and for each disk those with one of `other` in it:
    (1 + disks) rows of GROUP counts."""
    from training import boundary_kernels as kernels

    height, width = shape
    words = mine.view(np.uint64)
    short = height * width // (SHORT * max(disks.reach, 1))
    places = np.empty(short + 8, np.uint64)
    count = kernels.listed(words, places)
    if count >= 0:
        found = np.zeros((1 + len(disks.cuts), 256), np.int64)
        kernels.gather(places[:count], mine, other, disks.offsets, disks.cuts, found)
        return (found @ _BITS).tolist()  # type: ignore[no-any-return]
    counts = np.zeros((1 + len(disks.cuts), GROUP), np.int64)
    kernels.common(words, words, counts[0])
    near = np.empty_like(other)
    for widths, hits in zip(disks.widths, counts[1:], strict=True):
        kernels.dilate(other, height, disks.reach, width + disks.reach, widths, near)
        kernels.common(words, near.view(np.uint64), hits)
    return counts.tolist()


def _score(right: int, of_pred: int, hit: int, of_gt: int) -> float:
    if not right or not hit:
        return 0.0
    precision, recall = right / of_pred, hit / of_gt
    return 2 * precision * recall / (precision + recall)
