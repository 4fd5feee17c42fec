"""pipeline/apart.py without another process, for tests of what is called: they call it often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from jobs import imported_pairs


class Here:
    def __init__(self, function: Callable[..., Any], processes: int = 1, seconds: int = 0) -> None:
        self.function = function

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *why: object) -> None:
        imported_pairs.archive.cache_clear()  # of a process, which ends here

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def each(self, calls: Iterable[tuple[Any, ...]]) -> Iterator[Callable[[], Any]]:
        return (partial(self.function, *args) for args in calls)
