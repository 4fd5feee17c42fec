"""Intervals: which draws they are made of, and that they are where theory says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training import bootstrap

Floats = NDArray[np.float64]


def first(sums: Floats) -> Floats:
    return sums[:, 0]


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_each_resample_draws_as_many_pictures_as_there_are(n: int, rows: int, seed: int) -> None:
    found = np.concatenate(list(bootstrap.draws(n, rows, seed)))
    assert found.shape == (rows, n)
    assert (found.sum(axis=1) == n).all()
    assert (found >= 0).all() and (found == found.astype(int)).all()


def test_many_pictures_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "CHUNK", 64)
    parts = list(bootstrap.draws(20, 10, 0))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert all(len(part) == 1 for part in bootstrap.draws(1000, 5, 0))
    assert len(np.unique(np.concatenate(parts), axis=0)) == 10


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    """Three of ten, a thousand times: 0.3 +- 1.96 * sqrt(0.3 * 0.7 / 1000)."""
    told = np.arange(1000) % 10 < 3
    low, high = bootstrap.interval_of_mean(told.astype(float), resamples=4000)
    assert low is not None and high is not None
    margin = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert low == pytest.approx(0.3 - margin, abs=0.003)
    assert high == pytest.approx(0.3 + margin, abs=0.003)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random, held = np.random.default_rng(0), 0
    for seed in range(200):
        values = random.normal(5, 2, 80)
        low, high = bootstrap.interval_of_mean(values, resamples=300, seed=seed)
        assert low is not None and high is not None
        held += low <= 5 <= high
    assert 180 <= held <= 198


def test_a_resample_is_a_function_of_the_seed() -> None:
    values = np.random.default_rng(0).random((30, 2, 2))
    found = [bootstrap.interval(values, lambda sums: sums[:, 0, 1], seed=s) for s in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_sums_are_those_of_the_drawn_pictures() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(0, 2**40, (7, 3, 2))
    drawn = np.concatenate(list(bootstrap.draws(7, 50, 3)))
    expected = np.array([np.repeat(counts, row.astype(int), axis=0).sum(axis=0) for row in drawn])
    seen: list[Floats] = []

    def keep(sums: Floats) -> Floats:
        seen.append(sums)
        return sums[:, 0, 0]

    bootstrap.interval(counts, keep, resamples=50, seed=3)
    assert np.array_equal(np.concatenate(seen), expected)
    seen.clear()
    bootstrap.interval(counts / 8, keep, resamples=50, seed=3)
    assert np.array_equal(np.concatenate(seen), expected / 8)


def test_nothing_to_score_has_no_interval() -> None:
    nan = float("nan")
    for values in ([], [1.0], [nan, nan], [nan, 0.5, nan]):
        assert bootstrap.interval_of_mean(np.array(values)) == (None, None)
    for pictures in (0, 1):
        assert bootstrap.interval(np.zeros((pictures, 2)), first) == (None, None)
    undefined = bootstrap.interval(np.zeros((5, 1)), lambda sums: np.full(len(sums), nan))
    assert undefined == (None, None)


def test_resamples_without_a_score_are_left_out() -> None:
    """One picture of three can be scored: two of seven resamples or so lack it."""
    values = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    found = bootstrap.interval(values, lambda sums: bootstrap.share(sums[:, 0], sums[:, 1]))
    assert found == (1.0, 1.0)


def test_pictures_without_a_score_are_left_out_of_the_mean() -> None:
    low, high = bootstrap.interval_of_mean(np.array([2.0, 2.0, float("nan"), 2.0]))
    assert (low, high) == (2.0, 2.0)
