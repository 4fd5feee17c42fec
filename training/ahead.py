"""Results in order, while the next ones are made on threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(calls: Iterable[Callable[[], T]], threads: int, name: str) -> Generator[T, None, None]:
    """What `calls` return, in their order. At most two for each thread wait to be taken; `calls` is
    read no further than that. `name` is the threads'. What a call raises is raised in its turn."""
    ahead = deque[Future[T]]()
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        try:
            for call in calls:
                ahead.append(pool.submit(call))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
