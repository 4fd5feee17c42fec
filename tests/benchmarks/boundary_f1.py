"""Boundary F1 of all classes against DAVIS' formulation: `python -m tests.benchmarks.boundary_f1`.

DAVIS (Perazzi et al. 2016; `f_measure` of davis2017-evaluation) scores one class after the other:
two boundary maps, both dilated by a disk of 0.8 % of the diagonal. Exits 1 below the limits, or if
a single F differs in a bit.
"""

from __future__ import annotations

import math
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.label_maps import CLASSES, KINDS, Pair, Result, compare, one_thread, show
from training import metrics

LIMITS = {"good": 25.0, "noisy": 6.0}
PEER = "DAVIS, cv2.dilate by a disk"
Mask = NDArray[np.bool_]


def boundary(inside: Mask) -> Mask:
    """DAVIS' bitmap: a pixel that differs from its right, lower or lower-right neighbour."""
    right, below, across = np.zeros((3, *inside.shape), bool)
    right[:, :-1] = inside[:, 1:]
    below[:-1] = inside[1:]
    across[:-1, :-1] = inside[1:, 1:]
    found: Mask = (inside ^ right) | (inside ^ below) | (inside ^ across)
    found[-1] = inside[-1] ^ right[-1]
    found[:, -1] = inside[:, -1] ^ below[:, -1]
    found[-1, -1] = False
    return found


def disk(radius: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (y * y + x * x <= radius * radius).astype(np.uint8)


def f_measure(gt: Mask, pred: Mask, tolerance: int) -> float:
    of_pred, of_gt = boundary(pred), boundary(gt)
    around = disk(tolerance)
    near_pred = cv2.dilate(of_pred.astype(np.uint8), around)
    near_gt = cv2.dilate(of_gt.astype(np.uint8), around)
    in_pred, in_gt = np.sum(of_pred), np.sum(of_gt)
    if in_pred == 0 and in_gt > 0:
        precision, recall = 1.0, 0.0
    elif in_pred > 0 and in_gt == 0:
        precision, recall = 0.0, 1.0
    elif in_pred == 0 and in_gt == 0:
        precision, recall = 1.0, 1.0
    else:
        precision = np.sum(of_pred * near_gt) / float(in_pred)
        recall = np.sum(of_gt * near_pred) / float(in_gt)
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def davis(pair: Pair) -> dict[int, float]:
    """All classes but "untouched". Those that are in neither map are 1 to DAVIS, nothing to us."""
    gt, pred = pair
    tolerance = math.ceil(0.008 * np.linalg.norm(gt.shape))
    scores = {c: f_measure(gt == c, pred == c, tolerance) for c in range(1, CLASSES)}
    return {c: score for c, score in scores.items() if (gt == c).any() or (pred == c).any()}


def ours(pair: Pair) -> dict[int, float]:
    gt, pred = pair
    return metrics.boundary_f1(gt, pred, CLASSES, metrics.tolerances(*gt.shape)["bf1_davis"])


def measure(kind: str, pictures: int, rounds: int) -> Result:
    random = np.random.default_rng(0)
    with one_thread():
        return compare(ours, {PEER: davis}, [KINDS[kind](random) for _ in range(pictures)], rounds)


def main() -> int:
    below = False
    for kind, limit in LIMITS.items():
        result = measure(kind, pictures=16, rounds=15)
        show(kind, result)
        below |= result.ratios[PEER] < limit
    print(f"limits: {LIMITS}; every F is equal")
    return int(below)


if __name__ == "__main__":
    sys.exit(main())
