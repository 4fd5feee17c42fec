"""The boundary score in plain numpy: slow, and as it is defined. What the fast one must equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[Any]


def boundary_f1(
    gt: Labels, pred: Labels, classes: int, tolerance_px: float = 2, ignore: int | None = None
) -> dict[int, float]:
    """As `metrics.boundary_f1`, which says what it is."""
    if ignore is not None:
        gt, pred = np.where(gt == ignore, 0, gt), np.where(gt == ignore, 0, pred)
    present = [int(label) for label in np.union1d(gt, pred) if label > 0]
    found: dict[int, float] = {}
    for start in range(0, len(present), 16):  # one bit for each class: sixteen fit in a uint16
        some = present[start : start + 16]
        bits = np.zeros(classes, np.uint16)
        bits[some] = 1 << np.arange(len(some))
        edges_gt, edges_pred = _edges(bits[gt]), _edges(bits[pred])
        precision = _matched(edges_pred, edges_gt, tolerance_px, len(some))
        recall = _matched(edges_gt, edges_pred, tolerance_px, len(some))
        for label, (right, of_pred), (hit, of_gt) in zip(some, precision, recall, strict=True):
            if of_pred or of_gt:
                found[label] = _f1(right, of_pred, hit, of_gt)
            else:
                found[label] = float(np.array_equal(gt == label, pred == label))
    return found


def _f1(right: int, of_pred: int, hit: int, of_gt: int) -> float:
    if not right or not hit:
        return 0.0
    precision, recall = right / of_pred, hit / of_gt
    return 2 * precision * recall / (precision + recall)


def _edges(bits: NDArray[np.uint16]) -> NDArray[np.uint16]:
    found = np.zeros_like(bits)
    found[:, :-1] |= bits[:, :-1] ^ bits[:, 1:]
    found[:-1] |= bits[:-1] ^ bits[1:]
    found[:-1, :-1] |= bits[:-1, :-1] ^ bits[1:, 1:]
    return found


def _matched(
    edges: NDArray[np.uint16], other: NDArray[np.uint16], tolerance_px: float, classes: int
) -> Iterator[tuple[int, int]]:
    reach = int(tolerance_px)
    rows, cols = edges.nonzero()
    width = other.shape[1] + 2 * reach
    flat = np.pad(other, reach).ravel()
    centre = (rows + reach) * width + cols + reach
    near = np.zeros(len(rows), np.uint16)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dy * dy + dx * dx <= tolerance_px**2:
                near |= flat[centre + (dy * width + dx)]
    mine = edges[rows, cols]
    for bit in range(classes):
        has = mine >> bit & 1
        yield int(np.count_nonzero(has & (near >> bit))), int(np.count_nonzero(has))
