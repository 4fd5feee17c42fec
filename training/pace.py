"""What a training run says while it works: a bar in a terminal, elsewhere a line now and then, and
`N/M` for whoever watches."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from pipeline import events

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SAY_EVERY = 5.0  # seconds
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
        self._begun = self._said = self._step = time.monotonic()
        self._since = waited

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._begun

    def say(self, text: str) -> None:
        if self.speaks:
            events.say("note", "{note}", note=text)

    def tell(self, step: int, loss: float) -> dict[str, float]:
        """After each step; speaks at the first, at the last and every few seconds. Returns what is
        worth drawing of this step."""
        now = time.monotonic()
        took, waited = max(now - self._step, 1e-9), self.waited - self._since
        self._step, self._since = now, self.waited
        if self.speaks and (now - self._said >= SAY_EVERY or step in (1, self.steps)):
            self._said = now
            self._say(step, loss, (now - self._begun) / max(step - self._first, 1))
        if self._bar is not None:
            self._bar[0].update(self._bar[1], completed=step, description=f"loss {loss:.4f}")
        return {"images_per_second": self.batch / took, "data_wait": min(waited / took, 1.0)}

    def _say(self, step: int, loss: float, each: float) -> None:
        if self._bar is None:
            events.say(
                "step", TEXT + "{seconds_to_go:.0f} s to go", step=step, steps=self.steps,
                loss=loss, samples_per_second=round(self.batch / each, 3),
                seconds_to_go=round(each * (self.steps - step), 1),
            )  # fmt: skip
        if path := os.environ.get("ARGO_PROGRESS_FILE"):
            with open(path, "w") as out:
                out.write(f"{step}/{self.steps}\n")

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
