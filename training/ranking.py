"""Scores of whole pictures: labels (N,) are true for "edited", scores (N,) higher for the same.

A picture is called edited when its score is above the threshold, not when it equals it. Scores that
are nan raise ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.bootstrap import share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[Any]
    Scores = NDArray[Any]
    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rates:
    """`hits` is the share of edited pictures that are called so, `false_alarms` that of the others;
    nan if there are none."""

    hits: float
    false_alarms: float

    @property
    def balanced(self) -> float:
        """Mean of the shares of edited and of other pictures that are told rightly."""
        return (self.hits + 1 - self.false_alarms) / 2


def average_precision(labels: Labels, scores: Scores) -> float:
    """Sum over thresholds of the step in recall times the precision, without interpolation; equal
    scores share a threshold. As scikit-learn's `average_precision_score`, but nan if nothing is
    edited."""
    return float(average_precision_of_draws(labels, scores, np.ones((1, len(labels))))[0])


def average_precision_of_draws(labels: Labels, scores: Scores, drawn: Floats) -> Floats:
    """`average_precision` of each of R resamples: (R, N) times each picture was drawn -> (R,)."""
    edited, values = _checked(labels, scores)
    if not len(values):
        return np.full(len(drawn), np.nan)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order]) != 0), len(order) - 1)
    drawn = drawn[:, order]
    hits = np.cumsum(drawn * edited[order], axis=1)[:, ends]
    called = np.cumsum(drawn, axis=1)[:, ends]
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return share((np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1), hits[:, -1])


def accuracy_at(labels: Labels, scores: Scores, threshold: float) -> float:
    """Share of pictures that are told rightly; nan without pictures."""
    edited, values = _checked(labels, scores)
    return float(np.mean((values > threshold) == edited)) if len(values) else float("nan")


def rates(labels: Labels, scores: Scores, threshold: float) -> Rates:
    """Of edited pictures and of the others, the share that is called edited."""
    edited, values = _checked(labels, scores)
    called = values > threshold
    found = [
        float(called[kind].mean()) if kind.any() else float("nan") for kind in (edited, ~edited)
    ]
    return Rates(*found)


def balanced_threshold(labels: Labels, scores: Scores) -> float:
    """The threshold at which `Rates.balanced` is highest: half-way between two neighbouring scores,
    or the highest score, at which nothing is called edited. Of equally good ones the lowest. nan
    without pictures of both kinds. Choose it on pictures that are not scored with it."""
    edited, values = _checked(labels, scores)
    if not edited.any() or edited.all():
        return float("nan")
    kinds, where = np.unique(values, return_inverse=True)
    below = np.stack([np.bincount(where[kind], minlength=len(kinds)) for kind in (edited, ~edited)])
    misses, rejections = np.cumsum(below, axis=1)  # at a threshold that is the score itself
    # In whole numbers, so that equally good thresholds are equal: rates times both counts.
    gain = rejections * edited.sum() - misses * (~edited).sum()
    best = int(np.argmax(gain))
    if best + 1 == len(kinds):
        return float(kinds[best])
    low, high = float(kinds[best]), float(kinds[best + 1])
    middle = low / 2 + high / 2  # no overflow
    return middle if low <= middle < high else low


def _checked(labels: Labels, scores: Scores) -> tuple[NDArray[np.bool_], Floats]:
    edited, values = np.asarray(labels, np.bool_), np.asarray(scores, np.float64)
    if edited.shape != values.shape or edited.ndim != 1:
        raise ValueError(f"labels {edited.shape} and scores {values.shape} are not one a picture")
    if np.isnan(values).any():
        raise ValueError(f"{np.isnan(values).sum()} of {len(values)} scores are not a number")
    return edited, values
