"""Several downloads at a time, and none that SIGTERM or Ctrl-C has to wait for.

The hub's client may fetch in code that no signal reaches, so the main thread only waits; and Python
waits for the threads of a pool before it ends, but not for daemons. What they have not finished is
fetched anew by the next try.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def each(do: Callable[[T], object], what: Sequence[T], most: int) -> None:
    """Do it with each, with `most` at the same time. After an error no other begins; it is raised
    once those have ended that were begun."""
    left: SimpleQueue[T] = SimpleQueue()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    over = Event()
    for one in what:
        left.put(one)

    def works() -> None:
        with suppress(Empty):
            while not over.is_set():
                one = left.get_nowait()
                try:
                    do(one)
                except BaseException as error:  # a panic in the client's Rust is no Exception
                    over.set()
                    ended.put(error)
                else:
                    ended.put(None)

    threads = [Thread(target=works, name=f"fetch-{i}", daemon=True)
               for i in range(min(most, len(what)))]  # fmt: skip
    for thread in threads:
        thread.start()
    try:
        for _ in what:
            if (error := ended.get()) is not None:
                for thread in threads:
                    thread.join()
                raise error
    finally:
        over.set()
