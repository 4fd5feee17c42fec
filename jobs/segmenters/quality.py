"""Which masks are the same one, and how sound a mask looks. No loop over pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs.segmenters import Box, Found
from pipeline.documents import MaskQuality

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distinct(masks: NDArray[np.bool_], limit: float) -> list[int]:
    """Indices of `masks` (N, H, W), in order, without those whose IoU with a kept one is above
    `limit`. Sixty-four pixels are compared at once; masks whose sizes alone rule it out, never."""
    flat = masks.reshape(len(masks), -1)
    bits = np.packbits(flat, axis=1)
    words = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)
    areas = [int(np.bitwise_count(row).sum()) for row in words]
    kept: list[int] = []
    for i in range(len(masks)):
        if not any(_iou(words, areas, i, j, limit) > limit for j in kept):
            kept.append(i)
    return kept


def _iou(words: NDArray[np.uint64], areas: list[int], i: int, j: int, limit: float) -> float:
    """IoU of two masks; if even one inside the other would not pass `limit`, that upper bound."""
    small, large = sorted((areas[i], areas[j]))
    bound = small / max(large, 1)
    if bound <= limit:
        return bound
    both = int(np.bitwise_count(words[i] & words[j]).sum())
    return both / (small + large - both)


def around(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the pixels of a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def quality(found: Found) -> MaskQuality:
    """Pieces touch by edge or corner; a hole is background that no path by edges leads out of."""
    from scipy.ndimage import label

    tight = left, top, right, bottom = around(found.mask)
    inside = np.pad(found.mask[top:bottom, left:right], 1)
    _, components = label(inside, np.ones((3, 3), bool))
    _, outside = label(~inside)
    return MaskQuality(
        components=int(components),
        holes=int(outside) - 1,
        predicted_iou=found.predicted_iou,
        box_agreement=None if found.box is None else _overlap(found.box, tight),
    )


def _overlap(one: Box, other: Box) -> float:
    """IoU of two boxes, neither of them empty."""
    wide = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    high = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    both = wide * high
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both)
