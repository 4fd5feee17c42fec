"""What a training run says while it works: a line now and then, and `N/M` for whoever watches."""

from __future__ import annotations

import os
import time

from pipeline import events

SAY_EVERY = 5.0  # seconds


class Pace:
    """Only rank 0 speaks. `seconds` are those of the processes that were killed before this one."""

    def __init__(self, steps: int, batch: int, speaks: bool) -> None:
        self.steps, self.batch, self.speaks = steps, batch, speaks
        self.begin(0, 0.0)

    def begin(self, step: int, seconds: float) -> None:
        """The clock runs from here; `step` steps and `seconds` were done before."""
        self._first, self.seconds = step, seconds
        self._begun = self._said = time.monotonic()

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._begun

    def say(self, text: str) -> None:
        if self.speaks:
            events.say("note", "{note}", note=text)

    def tell(self, step: int, loss: float) -> None:
        """After each step; speaks at the first, at the last and every few seconds."""
        now = time.monotonic()
        if not self.speaks or (now - self._said < SAY_EVERY and step not in (1, self.steps)):
            return
        self._said = now
        each = (now - self._begun) / (step - self._first)
        events.say(
            "step", "step {step}/{steps}, loss {loss:.4f}, {samples_per_second:.1f} img/s, "
            "{seconds_to_go:.0f} s to go", step=step, steps=self.steps, loss=loss,
            samples_per_second=round(self.batch / each, 3),
            seconds_to_go=round(each * (self.steps - step), 1),
        )  # fmt: skip
        if path := os.environ.get("ARGO_PROGRESS_FILE"):
            with open(path, "w") as out:
                out.write(f"{step}/{self.steps}\n")
