"""How far a long loop over pictures has come: a bar in a terminal, elsewhere a line a minute and
`N/M` for whoever watches."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline import events, meter
from pipeline.events import Span
from pipeline.pulse import EVERY, Pulse, Told


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
    """Says a line every `EVERY` seconds, none of a loop that takes less."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self._begun, self._pulse = time.monotonic(), Pulse(EVERY)
        self._told = Told()

    def __call__(self, more: int) -> None:
        meter.goes_on()
        self.done += more
        if os.environ.get("RANK", "0") == "0":
            self._told.tell(self.done, self.total, self.done, force=self.done == self.total)
        if not self._pulse.due() or self.done == self.total:
            return
        each = (time.monotonic() - self._begun) / max(self.done, 1)
        events.say(
            "progress", "{what}: {done} of {total} {unit}, {samples_per_second:.3g}/s, "
            "{seconds_to_go:span} to go", what=self.what, done=self.done, total=self.total,
            unit=self.unit, samples_per_second=round(1 / max(each, 1e-9), 3),
            seconds_to_go=Span(round(each * (self.total - self.done), 1)),
        )  # fmt: skip
