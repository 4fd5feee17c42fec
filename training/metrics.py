"""Exact pixel and boundary scores.

A label map is (H, W) uint8 of class numbers 0..classes-1; class 0 is "untouched". All pixel scores
follow from one confusion matrix over a whole split, the boundary score from each picture by itself.

With `ignore`, a value that is no class, pixels of that ground truth have no truth: they count
nowhere in the matrix. For boundaries they belong to no class in either map, whatever was predicted,
so that both maps have the same rim around them and it neither helps nor hurts a prediction that
goes on as the ground truth does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from training import boundary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.int64]
    Labels = NDArray[Any]
    Bytes = NDArray[np.uint8]

#: Up to here all pairs of labels, invalid and ignored ones included, have a number below 256.
FEW = 14


def likeliest(logits: NDArray[Any]) -> Bytes:
    """The class of the highest logit: (..., C, H, W) float -> (..., H, W) uint8, at most 256
    classes. Of equal logits the lowest class wins, and the first nan wins over all, as in
    numpy.argmax. Fastest for a contiguous array or for channels-last memory."""
    from training import pixel_kernels as kernels

    *rest, classes, height, width = logits.shape
    if not 0 < classes <= 256:
        raise ValueError(f"logits of {classes} classes: there must be 1 to 256")
    if logits.dtype not in (np.float32, np.float64):
        logits = logits.astype(np.float32)
    found = np.empty((*rest, height, width), np.uint8)
    flat = found.reshape(-1, height * width)
    for one, out in zip(logits.reshape(-1, classes, height, width), flat, strict=True):
        last = one.transpose(1, 2, 0)
        if last.flags.c_contiguous:
            kernels.likeliest_last(_writable(last.reshape(-1, classes)), out)
        else:
            kernels.likeliest_planes(_writable(one.reshape(classes, -1)), out)
    return found


def confusion(gt: Labels, pred: Labels, classes: int, ignore: int | None = None) -> Matrix:
    """Pixels by (ground truth, prediction): int64 (classes, classes), rows are the ground truth.

    Matrices of several pictures add up. Raises ValueError for a label that is not below `classes`,
    unless the ground truth there is `ignore`.
    """
    _check(gt, pred, classes, ignore)
    truth, guess = _bytes(gt, classes).ravel(), _bytes(pred, classes).ravel()
    # Two more rows, for ignored and for wrong labels, and one more column for wrong ones.
    shape = (classes + 2, classes + 1)
    if classes <= FEW:
        from training import pixel_kernels as kernels

        counts = np.zeros((4, 256), np.int64)
        # No label is 255 where nothing is ignored: a pixel in that row is then wrong, too.
        none = 255 if ignore is None else ignore
        kernels.pairs(truth, guess, np.uint8(none), np.uint8(classes), counts)
        found = counts.sum(axis=0)[: math.prod(shape)].reshape(shape)
    else:
        numbers = np.arange(256)
        rows, cols = np.minimum(numbers, classes + 1), np.minimum(numbers, classes)
        if ignore is not None:
            rows[ignore] = classes
        codes = rows[truth] * shape[1] + cols[guess]
        found = np.bincount(codes, minlength=math.prod(shape)).reshape(shape)
    ignored = 0 if ignore is None else found[classes].sum()
    if found[:classes, :classes].sum() + ignored != truth.size:
        raise _outside(classes)
    matrix: Matrix = found[:classes, :classes].astype(np.int64)
    return matrix


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


def tolerances(height: int, width: int) -> dict[str, float]:
    """The tolerances in pixels at which boundaries are scored, by the name of the figure: fixed;
    0.75 % of the diagonal (Csurka et al. 2013); 0.8 % rounded up (DAVIS, Perazzi et al. 2016)."""
    diagonal = math.hypot(height, width)
    return {
        "bf1_2px": 2.0,
        "bf1_diagonal": 0.0075 * diagonal,
        "bf1_davis": float(math.ceil(0.008 * diagonal)),
    }


def boundary_f1(
    gt: Labels, pred: Labels, classes: int, tolerance_px: float = 2, ignore: int | None = None
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
    return boundary_f1_many(gt, pred, classes, [tolerance_px], ignore)[0]


def boundary_f1_many(
    gt: Labels, pred: Labels, classes: int, tolerances: Sequence[float], ignore: int | None = None
) -> list[dict[int, float]]:
    """`boundary_f1` for each of `tolerances`, for little more than the largest alone."""
    _check(gt, pred, classes, ignore)
    truth, guess = _bytes(gt, classes), _bytes(pred, classes)
    if ignore is not None:  # class 0 has no boundary of its own, so it stands for "no class"
        ignored = truth == ignore
        truth, guess = (np.where(ignored, np.uint8(0), one) for one in (truth, guess))
    if truth.size and max(truth.max(), guess.max()) >= classes:
        raise _outside(classes)
    return boundary.f1(truth, guess, tolerances)


def mean_bf1(
    pairs: Iterable[tuple[Labels, Labels]], classes: int, tolerance_px: float = 2
) -> float:
    """Mean of `boundary_f1` over the classes of a picture, then over pictures (gt, pred).

    A picture without a class in either map has nothing to score and is left out; nan if all are.
    """
    scores = [boundary_f1(gt, pred, classes, tolerance_px).values() for gt, pred in pairs]
    means = [sum(found) / len(found) for found in scores if found]
    return sum(means) / len(means) if means else float("nan")


def _check(gt: Labels, pred: Labels, classes: int, ignore: int | None) -> None:
    if gt.shape != pred.shape:
        raise ValueError(f"ground truth {gt.shape} and prediction {pred.shape} differ in shape")
    if not 0 < classes <= 256:
        raise ValueError(f"{classes} classes: a label map has 1 to 256")
    if ignore is not None and not classes <= ignore < 256:
        raise ValueError(f"{ignore} is ignored, which must be from {classes} (no class) to 255")


def _bytes(labels: Labels, classes: int) -> Bytes:
    if labels.dtype != np.uint8:
        if labels.size and not 0 <= labels.min() <= labels.max() < 256:
            raise _outside(classes)
        labels = labels.astype(np.uint8)
    return _writable(labels)


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    """Contiguous and writable, copied if need be: each other kind would be compiled anew."""
    return np.require(array, requirements=["C", "W"])


def _outside(classes: int) -> ValueError:
    return ValueError(f"a label is outside 0..{classes - 1}")


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")
