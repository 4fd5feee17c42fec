"""Exact pixel and boundary scores, in plain numpy.

A label map is (H, W) of class numbers 0..classes-1; class 0 is "untouched". All pixel scores follow
from one confusion matrix over a whole split, the boundary score from each picture by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.int64]
    Labels = NDArray[Any]


def confusion(gt: Labels, pred: Labels, classes: int) -> Matrix:
    """Pixels by (ground truth, prediction): int64 (classes, classes), rows are the ground truth.

    Matrices of several pictures add up. Raises ValueError for a label that is not below `classes`.
    """
    _check(gt, pred, classes)
    pairs = gt.astype(np.int64).ravel() * classes + pred.ravel()
    return np.bincount(pairs, minlength=classes**2).astype(np.int64).reshape(classes, classes)


def accuracy(matrix: Matrix) -> float:
    """Share of all pixels whose class is right, untouched ones included; nan without pixels."""
    return _ratio(matrix.trace(), matrix.sum())


def accuracy_foreground(matrix: Matrix) -> float:
    """Share of the pixels with ground truth > 0 whose class is right; nan if there are none."""
    return _ratio(matrix.trace() - matrix[0, 0], matrix[1:].sum())


def edited_pixel_fraction(matrix: Matrix) -> float:
    """Share of all pixels with ground truth > 0; nan without pixels."""
    return _ratio(matrix[1:].sum(), matrix.sum())


def iou(matrix: Matrix) -> list[float | None]:
    """Intersection over union of each class; None where neither map has a pixel of it."""
    hits = matrix.diagonal()
    unions = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return [_ratio(hit, union) if union else None for hit, union in zip(hits, unions, strict=True)]


def miou(matrix: Matrix) -> float:
    """Mean of `iou` over classes 1, 2, ...: "untouched" and classes absent from both maps are left
    out. nan if nothing remains."""
    found = [value for value in iou(matrix)[1:] if value is not None]
    return sum(found) / len(found) if found else float("nan")


def boundary_f1(
    gt: Labels, pred: Labels, classes: int, tolerance_px: float = 2
) -> dict[int, float]:
    """F1 of the boundary of each class 1, 2, ... that occurs in `gt` or in `pred`.

    The boundary map of a class is DAVIS' (`seg2bmap`): a pixel is on it when its right, lower or
    lower-right neighbour is in the class and it is not, or the other way round; neighbours outside
    of the picture do not count. A boundary pixel of one map is matched when the other has a
    boundary pixel of that class at a Euclidean distance of at most `tolerance_px` pixels, matched
    already or not. Precision is the matched share of the prediction's boundary, recall that of the
    ground truth's, F1 = 2 P R / (P + R), and 0 when one of the boundaries is empty.

    Both are empty only when each map is all or nothing of the class: then 1 if the maps agree and 0
    if not (DAVIS' code says 1 to both).
    """
    _check(gt, pred, classes)
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


def mean_bf1(
    pairs: Iterable[tuple[Labels, Labels]], classes: int, tolerance_px: float = 2
) -> float:
    """Mean of `boundary_f1` over the classes of a picture, then over pictures (gt, pred).

    A picture without a class in either map has nothing to score and is left out; nan if all are.
    """
    scores = [boundary_f1(gt, pred, classes, tolerance_px).values() for gt, pred in pairs]
    means = [sum(found) / len(found) for found in scores if found]
    return sum(means) / len(means) if means else float("nan")


def _check(gt: Labels, pred: Labels, classes: int) -> None:
    if gt.shape != pred.shape:
        raise ValueError(f"ground truth {gt.shape} and prediction {pred.shape} differ in shape")
    if gt.size and not (0 <= min(gt.min(), pred.min()) <= max(gt.max(), pred.max()) < classes):
        raise ValueError(f"a label is outside 0..{classes - 1}")


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def _f1(right: int, of_pred: int, hit: int, of_gt: int) -> float:
    if not right or not hit:
        return 0.0
    precision, recall = right / of_pred, hit / of_gt
    return 2 * precision * recall / (precision + recall)


def _edges(bits: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The boundary maps of all classes at once: two neighbours of different classes are, for both
    of these classes, one inside and one outside, and the XOR of their bits names the two."""
    found = np.zeros_like(bits)
    found[:, :-1] |= bits[:, :-1] ^ bits[:, 1:]
    found[:-1] |= bits[:-1] ^ bits[1:]
    found[:-1, :-1] |= bits[:-1, :-1] ^ bits[1:, 1:]
    return found


def _matched(
    edges: NDArray[np.uint16], other: NDArray[np.uint16], tolerance_px: float, classes: int
) -> Iterator[tuple[int, int]]:
    """For each class: boundary pixels of `edges` with one of `other` near by, and all of them."""
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
