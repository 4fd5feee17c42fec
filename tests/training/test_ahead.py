"""Results come in order, few of them wait, and what fails fails in its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from training.ahead import in_order


def slowly(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number


def test_in_order_and_no_further_ahead_than_said() -> None:
    asked: list[int] = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(40):
            asked.append(number)
            yield partial(slowly, number)

    for taken, number in enumerate(in_order(calls(), 3, "test")):
        assert number == taken
        assert len(asked) <= taken + 1 + 2 * 3
    assert taken == 39


def test_what_fails_fails_in_its_turn_and_no_thread_stays() -> None:
    def fail() -> int:
        raise ValueError("no")

    results = in_order([partial(slowly, 1), fail, partial(slowly, 3)], 2, "failing")
    assert next(results) == 1
    with pytest.raises(ValueError, match="^no$"):
        next(results)
    assert not [one for one in threading.enumerate() if one.name.startswith("failing")]


def test_closing_ends_the_threads() -> None:
    results = in_order((partial(slowly, number) for number in range(100)), 2, "closed")
    assert next(results) == 0
    results.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("closed")]
