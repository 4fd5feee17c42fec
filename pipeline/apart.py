"""Call a function in another process: what ends that process costs the call, and nothing else.

    with Apart(decode) as apart:
        pixels = apart(raw)      # raises what `decode` raises, and `Ended`

For decoders of foreign files: a fault in a C library ends its process, and a loop in one never ends
it. Processes start when they are needed and are kept from call to call (pipeline/other.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from pipeline.other import SECONDS, Ended, Other

__all__ = ["Apart", "Ended"]
P = ParamSpec("P")
R = TypeVar("R")


class Apart(Generic[P, R]):
    """`function`, of a module that can be imported, in other processes. What it takes and gives is
    pickled. To be called from one thread that lasts: processes die with the one that called."""

    def __init__(
        self, function: Callable[P, R], processes: int = 1, seconds: int = SECONDS
    ) -> None:
        self.function = function
        self._processes = [Other(seconds) for _ in range(processes)]

    def __enter__(self) -> Apart[P, R]:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; the next call has others."""
        for process in self._processes:
            process.end()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        (answer,) = self._each([partial(self.function, *args, **kwargs)])
        return answer()

    def each(self, calls: Iterable[tuple[Any, ...]]) -> Iterator[Callable[[], R]]:
        """For each of `calls`, which are arguments, in order, a function that returns what the call
        did or raises what it raised. Every process works at one ahead; `calls` are read no further
        than that."""
        return self._each(partial(self.function, *args) for args in calls)

    def _each(self, calls: Iterable[Callable[[], R]]) -> Iterator[Callable[[], R]]:
        idle, waiting = [*self._processes], deque[Other]()
        try:
            for call in calls:
                answers = []
                if not idle:
                    answers.append(waiting[0].answer())
                    idle.append(waiting.popleft())
                waiting.append(idle.pop(0))
                waiting[-1].ask(call)
                yield from answers
            while waiting:
                answer = waiting[0].answer()
                waiting.popleft()
                yield answer
        finally:
            for process in waiting:  # whoever asked does not want to know any more
                process.end()
