"""Label maps or scores of a set of pictures -> the figures of a table, with their intervals.

What has nothing to score is None. Intervals are those of training/bootstrap.py: pictures are drawn
anew, of segmentation as they are, and of the image task without regard to their kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.documents import Figure
from training import bootstrap, metrics, ranking
from training.bootstrap import RESAMPLES, SEED, Interval, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[Any]
    Counts = NDArray[Any]
    Floats = NDArray[np.float64]
    Matrix = NDArray[np.int64]


def segmentation(
    pairs: Iterable[tuple[Labels, Labels]],
    classes: int,
    names: Sequence[str],
    ignore: int | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[dict[str, Figure], dict[str, float | None], Matrix]:
    """Figures, IoU by name of class 1, 2, ..., and the confusion matrix of (gt, pred) label maps.

    `names` are those of all `classes`, "untouched" first. `pairs` is gone through once and no map
    is kept, only the matrix of each picture. accuracy, accuracy_foreground, edited_pixel_fraction
    and miou are of all pixels together; miou_per_image and the boundary scores, at each of
    `metrics.tolerances`, are the mean over classes that a picture has, then over pictures.
    Raises ValueError as `metrics.confusion` does, and for another number of names."""
    if len(names) != classes:
        raise ValueError(f"{classes} classes have {len(names)} names")
    matrices: list[Matrix] = []
    boundaries: dict[str, list[float]] = {name: [] for name in metrics.tolerances(1, 1)}
    for gt, pred in pairs:
        matrices.append(metrics.confusion(gt, pred, classes, ignore))
        wanted = metrics.tolerances(*gt.shape)
        found = metrics.boundary_f1_many(gt, pred, classes, list(wanted.values()), ignore)
        for name, scores in zip(wanted, found, strict=True):
            mean = sum(scores.values()) / len(scores) if scores else math.nan
            boundaries[name].append(mean)
    counts = np.array(matrices, np.int64).reshape(-1, classes, classes)
    matrix: Matrix = counts.sum(axis=0)
    figures = {
        name: _figure(exact(matrix), bootstrap.interval(counts, stacked, resamples, seed))
        for name, (exact, stacked) in _OF_MATRIX.items()
    }
    per_image = {"miou_per_image": _miou(counts)} | {
        name: np.array(values, np.float64) for name, values in boundaries.items()
    }
    for name, values in per_image.items():
        known = values[~np.isnan(values)]
        mean = float(known.mean()) if len(known) else math.nan
        figures[name] = _figure(mean, bootstrap.interval_of_mean(values, resamples, seed))
    return figures, dict(zip(names[1:], metrics.iou(matrix)[1:], strict=True)), matrix


def image(
    labels: Labels,
    scores: Labels,
    balanced: float | None = None,
    *,
    decisions: Labels | None = None,
    threshold: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Figure]:
    """Figures of the image task: `labels` (N,) true for edited, `scores` (N,) higher for the same.

    ap is that of edited pictures, ap_mean the mean of it and of that of the others. accuracy,
    true_positive_rate and false_positive_rate are at `threshold`. accuracy_balanced is the mean of
    the rates of both kinds at `balanced`, which `ranking.balanced_threshold` has found on other
    pictures, None if it could not. `decisions` (N,) are compared with the thresholds in place of
    `scores` where a detector ranks by one score and decides by another."""
    edited = np.asarray(labels, np.bool_)
    decided = scores if decisions is None else decisions
    choice = math.nan if balanced is None else balanced
    told = ranking.rates(edited, decided, threshold)
    outcomes = _outcomes(edited, decided, threshold)
    figures = {
        name: _figure(value, bootstrap.interval(outcomes, stacked, resamples, seed))
        for name, value, stacked in (
            ("accuracy", ranking.accuracy_at(edited, decided, threshold), _accuracy),
            ("true_positive_rate", told.hits, _hits),
            ("false_positive_rate", told.false_alarms, _false_alarms),
        )
    }
    value = math.nan if math.isnan(choice) else ranking.rates(edited, decided, choice).balanced
    outcomes = _outcomes(edited, decided, choice)
    figures["accuracy_balanced"] = _figure(
        value, bootstrap.interval(outcomes, _balanced, resamples, seed)
    )
    figures["threshold_balanced"] = _figure(choice, bootstrap.NOTHING)

    against = -np.asarray(scores, np.float64)

    def ap(drawn: Floats) -> Floats:
        return ranking.average_precision_of_draws(edited, scores, drawn)

    def ap_mean(drawn: Floats) -> Floats:
        others = ranking.average_precision_of_draws(~edited, against, drawn)
        return (ap(drawn) + others) / 2

    for name, statistic in (("ap", ap), ("ap_mean", ap_mean)):
        exact = float(statistic(np.ones((1, len(edited))))[0])
        bounds = bootstrap.interval_of_draws(len(edited), statistic, resamples, seed)
        figures[name] = _figure(exact, bounds)
    return figures


def _figure(value: float, bounds: Interval) -> Figure:
    if math.isnan(value):
        return Figure(value=None)
    return Figure(value=value, low=bounds[0], high=bounds[1])


def _outcomes(edited: NDArray[np.bool_], scores: Labels, threshold: float) -> Matrix:
    """(N, 2, 2): one pixel, so to speak, of each picture's confusion matrix."""
    found = np.zeros((len(edited), 2, 2), np.int64)
    called = np.asarray(scores) > threshold
    found[np.arange(len(edited)), edited.astype(np.intp), called.astype(np.intp)] = 1
    return found


def _accuracy(matrices: Counts) -> Floats:
    return share(np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2)))


def _foreground(matrices: Counts) -> Floats:
    hits = np.trace(matrices[:, 1:, 1:], axis1=1, axis2=2)
    return share(hits, matrices[:, 1:].sum(axis=(1, 2)))


def _edited(matrices: Counts) -> Floats:
    return share(matrices[:, 1:].sum(axis=(1, 2)), matrices.sum(axis=(1, 2)))


def _miou(matrices: Counts) -> Floats:
    hits = np.diagonal(matrices, axis1=1, axis2=2)[:, 1:]
    unions = (matrices.sum(axis=1) + matrices.sum(axis=2))[:, 1:] - hits
    found = np.divide(hits, unions, out=np.zeros(hits.shape), where=unions > 0)
    return share(found.sum(axis=1), (unions > 0).sum(axis=1))


def _hits(outcomes: Counts) -> Floats:
    return share(outcomes[:, 1, 1], outcomes[:, 1].sum(axis=1))


def _false_alarms(outcomes: Counts) -> Floats:
    return share(outcomes[:, 0, 1], outcomes[:, 0].sum(axis=1))


def _balanced(outcomes: Counts) -> Floats:
    return (_hits(outcomes) + 1 - _false_alarms(outcomes)) / 2


#: Of one matrix, and of many at once, (R, C, C) -> (R,).
_OF_MATRIX: dict[str, tuple[Callable[[Matrix], float], Callable[[Counts], Floats]]] = {
    "accuracy": (metrics.accuracy, _accuracy),
    "accuracy_foreground": (metrics.accuracy_foreground, _foreground),
    "edited_pixel_fraction": (metrics.edited_pixel_fraction, _edited),
    "miou": (metrics.miou, _miou),
}
