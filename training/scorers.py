"""Scores are taken on threads of their own while the next pictures are predicted.

A scorer reads pairs of label maps, (ground truth, prediction), from an iterator until it ends. One
prediction may be for several of them, each with a ground truth of its own.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

T = TypeVar("T")
DEPTH = 64  # pairs that wait for a scorer


class Scorer(Generic[T]):
    """One scorer at work. Whatever it raises, `result` raises."""

    def __init__(self, pool: ThreadPoolExecutor, score: Callable[[Iterator[Pair]], T]) -> None:
        self._pairs: queue.Queue[Pair | None] = queue.Queue(DEPTH)
        self._found: Future[T] = pool.submit(score, iter(self._pairs.get, None))

    def give(self, pair: Pair | None) -> None:
        """Hand over a pair, or with None the end; waits while too many are waiting."""
        while not self._found.done():
            try:
                return self._pairs.put(pair, timeout=0.2)
            except queue.Full:
                continue

    def result(self) -> T:
        self.give(None)
        return self._found.result()


@contextmanager
def at_work(scores: Sequence[Callable[[Iterator[Pair]], T]]) -> Iterator[list[Scorer[T]]]:
    """A scorer for each of `scores`; all have ended when the block is left."""
    with ThreadPoolExecutor(max(1, len(scores)), thread_name_prefix="score") as pool:
        found = [Scorer(pool, score) for score in scores]
        try:
            yield found
        finally:
            for one in found:
                one.give(None)
