"""Scorers on threads: each gets its own pairs in order, and a fault in one is raised, not waited
for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from training import scorers
from training.scorers import at_work

Pairs = Iterator[tuple[Any, Any]]


def label(number: int) -> Any:
    return np.full((1, 1), number, np.uint8)


def order(pairs: Pairs) -> list[tuple[int, int]]:
    return [(int(gt[0, 0]), int(pred[0, 0])) for gt, pred in pairs]


def fails(after: int, pairs: Pairs) -> list[tuple[int, int]]:
    for i, _ in enumerate(pairs):
        if i == after:
            raise ValueError("label 9 is outside 0..1")
    return []


def test_each_scorer_gets_its_own_pairs_in_order() -> None:
    with at_work([order, order]) as (one, other):
        for i in range(3 * scorers.DEPTH):
            one.give((label(i % 200), label(1)))
            if i % 2:
                other.give((label(i % 200), label(2)))
        found = one.result(), other.result()
    assert found[0] == [(i % 200, 1) for i in range(3 * scorers.DEPTH)]
    assert found[1] == [(i % 200, 2) for i in range(1, 3 * scorers.DEPTH, 2)]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("after", [0, 5, scorers.DEPTH + 5])
def test_a_scorer_that_fails_blocks_nobody_and_says_so(after: int) -> None:
    with (
        pytest.raises(ValueError, match="label 9"),
        at_work([partial(fails, after), order]) as (bad, good),
    ):
        for i in range(4 * scorers.DEPTH):
            bad.give((label(0), label(0)))
            good.give((label(i % 200), label(0)))
        assert len(good.result()) == 4 * scorers.DEPTH
        bad.result()


@pytest.mark.timeout(20)
def test_scorers_end_when_what_feeds_them_fails() -> None:
    with pytest.raises(RuntimeError, match="a picture is gone"), at_work([order] * 3) as all_three:
        for one in all_three:
            one.give((label(0), label(0)))
        raise RuntimeError("a picture is gone")


def test_no_sets_need_no_scorers() -> None:
    with at_work([]) as none:
        assert none == []
