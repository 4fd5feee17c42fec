"""What a training run says while it works: a bar in a terminal, elsewhere lines that grow rarer (60
an hour), and `N/M` for whoever watches."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pipeline import events
from pipeline.events import Span
from pipeline.pulse import Pulse, Told

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds until the second line; each further wait is twice as long, up to a minute.
FIRST = 5.0
TEXT = "step {step}/{steps}, loss {loss:.4f}, {samples_per_second:.1f} img/s, "


class Pace:
    """Only rank 0 speaks. `seconds` are those of the processes that were killed before this one,
    and `waited` the part of them in which no batch was ready."""

    def __init__(self, steps: int, batch: int, speaks: bool) -> None:
        self.steps, self.batch, self.speaks = steps, batch, speaks
        self._bar: tuple[Progress, TaskID] | None = None
        self.begin(0, 0.0, 0.0)

    def begin(self, step: int, seconds: float, waited: float) -> None:
        """The clock runs from here; `step` steps and `seconds` were done before."""
        self._first, self.seconds, self.waited = step, seconds, waited
        self._begun = self._step = time.monotonic()
        self._since, self._pulse, self._told = waited, Pulse(FIRST), Told()

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._begun

    def say(self, text: str) -> None:
        if self.speaks:
            events.say("note", "{note}", note=text)

    def tell(self, step: int, loss: float) -> dict[str, float]:
        """After each step; speaks at the first of this process, at the last and now and then.
        Returns what is worth drawing of this step."""
        now = time.monotonic()
        took, waited = max(now - self._step, 1e-9), self.waited - self._since
        self._step, self._since = now, self.waited
        if self.speaks:
            done, last = step - self._first, step == self.steps
            self._told.tell(step, self.steps, done * self.batch, force=last)
            if self._pulse.due() or done == 1 or last:
                self._say(step, loss, (now - self._begun) / max(done, 1))
        if self._bar is not None:
            self._bar[0].update(self._bar[1], completed=step, description=f"loss {loss:.4f}")
        return {"images_per_second": self.batch / took, "data_wait": min(waited / took, 1.0)}

    def _say(self, step: int, loss: float, each: float) -> None:
        if self._bar is None:
            events.say(
                "step", TEXT + "{seconds_to_go:span} to go", step=step, steps=self.steps,
                loss=loss, samples_per_second=round(self.batch / each, 3),
                seconds_to_go=Span(round(each * (self.steps - step), 1)),
            )  # fmt: skip

    def __enter__(self) -> Pace:
        """From here on there is a bar if a person looks."""
        if self.speaks and sys.stderr.isatty() and not events.as_json():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            columns = ("{task.description}", BarColumn(32), MofNCompleteColumn(), "steps",
                       TimeElapsedColumn(), "ETA", TimeRemainingColumn())  # fmt: skip
            bar = Progress(*columns, console=Console(stderr=True))
            self._bar = (bar, bar.add_task("training", total=self.steps, completed=self._first))
            bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None
