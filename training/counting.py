"""How far a long loop over pictures has come: a bar in a terminal, elsewhere a line now and then.

`N/M` goes to `ARGO_PROGRESS_FILE` too, for whoever watches a pod.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline import events, meter

SAY_EVERY = 5.0  # seconds


@contextmanager
def counting(what: str, total: int, unit: str = "pictures") -> Iterator[Callable[[int], None]]:
    """Yields a function to be told how many of `total` are done more. Of several torchrun processes
    the first alone draws."""
    if sys.stderr.isatty() and os.environ.get("RANK", "0") == "0":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(32), MofNCompleteColumn(), unit,
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(what, total=total)

            def told(more: int) -> None:
                meter.goes_on()
                shown.advance(task, more)

            yield told
        return
    yield _Lines(what, total, unit)


class _Lines:
    """Says a line every few seconds, none of a loop that takes less."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self._begun = self._said = time.monotonic()

    def __call__(self, more: int) -> None:
        meter.goes_on()
        self.done += more
        now = time.monotonic()
        if now - self._said < SAY_EVERY:
            return
        self._said = now
        left = (now - self._begun) / max(self.done, 1) * (self.total - self.done)
        events.say(
            "progress", "{what}: {done}/{total} {unit}, {seconds_to_go:.0f} s to go",
            what=self.what, done=self.done, total=self.total, unit=self.unit,
            seconds_to_go=round(left, 1),
        )  # fmt: skip
        if path := os.environ.get("ARGO_PROGRESS_FILE"):
            with open(path, "w") as out:
                out.write(f"{self.done}/{self.total}\n")
