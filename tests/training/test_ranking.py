"""Ranking scores against scikit-learn and against trying every threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from training import ranking

Labels = NDArray[np.bool_]
Floats = NDArray[np.float64]


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Labels, Floats]:
    """Both kinds; often with equal scores."""
    n = draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = random.random(n) < draw(st.sampled_from([0.1, 0.5, 0.9]))
    labels[:2] = True, False
    kinds = draw(st.sampled_from([1, 2, 4, 1000]))
    scores = random.integers(0, kinds, n) / kinds + draw(st.sampled_from([0.0, 0.3])) * labels
    return labels, scores


@settings(deadline=None)
@given(pictures())
def test_average_precision_is_that_of_scikit_learn(drawn: tuple[Labels, Floats]) -> None:
    labels, scores = drawn
    expected = average_precision_score(labels, scores)
    assert ranking.average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
    order = np.random.default_rng(0).permutation(len(labels))
    again = ranking.average_precision(labels[order], scores[order])
    assert again == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(pictures(), st.integers(0, 2**32 - 1))
def test_a_resample_scores_as_the_pictures_it_draws(
    drawn: tuple[Labels, Floats], seed: int
) -> None:
    labels, scores = drawn
    times = np.random.default_rng(seed).integers(0, 3, (5, len(labels)))
    found = ranking.average_precision_of_draws(labels, scores, times.astype(np.float64))
    for row, value in zip(times, found, strict=True):
        again = np.repeat(labels, row)
        if again.any():
            expected = average_precision_score(again, np.repeat(scores, row))
            assert value == pytest.approx(expected, abs=1e-12)
        else:
            assert math.isnan(value)


@settings(deadline=None)
@given(pictures())
def test_no_threshold_is_better_than_the_balanced_one(drawn: tuple[Labels, Floats]) -> None:
    labels, scores = drawn
    best = ranking.balanced_threshold(labels, scores)
    found = ranking.rates(labels, scores, best).balanced
    assert found == pytest.approx(balanced_accuracy_score(labels, scores > best))
    for threshold in [-1.0, *scores]:
        assert found >= ranking.rates(labels, scores, threshold).balanced - 1e-12
    told = ranking.accuracy_at(labels, scores, best)
    assert told == pytest.approx(np.mean((scores > best) == labels))


def test_the_threshold_is_half_way_between_scores() -> None:
    labels = np.array([0, 0, 1, 1])
    assert ranking.balanced_threshold(labels, np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)
    assert ranking.balanced_threshold(labels, np.array([5.0, 5.0, 5.0, 5.0])) == 5.0
    close = np.array([0.0, 1.0, np.nextafter(1.0, 2), 2.0])  # no number lies between
    assert ranking.balanced_threshold(labels, close) == 1.0
    huge = np.array([-1e308, 1e308, 1.5e308, 1.7e308])
    assert 1e308 <= ranking.balanced_threshold(labels, huge) < 1.5e308
    assert ranking.balanced_threshold(labels, np.array([-np.inf, -np.inf, 1, np.inf])) == -np.inf


def test_a_picture_at_the_threshold_is_not_edited() -> None:
    labels, scores = np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.7, 0.9])
    assert ranking.accuracy_at(labels, scores, 0.5) == 0.5
    assert ranking.rates(labels, scores, 0.5) == ranking.Rates(hits=0.5, false_alarms=0.5)
    assert ranking.rates(labels, scores, 0.8).balanced == 0.25


def test_pictures_of_one_kind() -> None:
    none, scores = np.zeros(3, bool), np.arange(3.0)
    assert math.isnan(ranking.average_precision(none, scores))
    assert ranking.average_precision(~none, scores) == 1.0
    for labels in (none, ~none):
        assert math.isnan(ranking.balanced_threshold(labels, scores))
        assert math.isnan(ranking.rates(labels, scores, 1).balanced)
    empty = np.zeros(0)
    assert math.isnan(ranking.average_precision(empty, empty))
    assert math.isnan(ranking.balanced_threshold(empty, empty))
    assert math.isnan(ranking.accuracy_at(empty, empty, 0))


def test_scores_are_checked() -> None:
    with pytest.raises(ValueError, match="1 of 2 scores are not a number"):
        ranking.average_precision(np.array([1, 0]), np.array([0.5, float("nan")]))
    with pytest.raises(ValueError, match="one a picture"):
        ranking.rates(np.array([1, 0]), np.array([0.5]), 0.5)
