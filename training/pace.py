"""What a training run says while it works: a line now and then, and `N/M` for whoever watches."""

from __future__ import annotations

import os
import time

SAY_EVERY = 5.0  # seconds


class Pace:
    """Only rank 0 speaks. `seconds` are those of the processes that were killed before this one."""

    def __init__(self, name: str, steps: int, batch: int, speaks: bool) -> None:
        self.name, self.steps, self.batch, self.speaks = name, steps, batch, speaks
        self.begin(0, 0.0)

    def begin(self, step: int, seconds: float) -> None:
        """The clock runs from here; `step` steps and `seconds` were done before."""
        self._first, self.seconds = step, seconds
        self._begun = self._said = time.monotonic()

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._begun

    def say(self, text: str) -> None:
        if self.speaks:
            print(f"{time.strftime('%H:%M:%S')} {self.name}: {text}", flush=True)

    def tell(self, step: int, loss: float) -> None:
        """After each step; speaks at the first, at the last and every few seconds."""
        now = time.monotonic()
        if not self.speaks or (now - self._said < SAY_EVERY and step not in (1, self.steps)):
            return
        self._said = now
        each = (now - self._begun) / (step - self._first)
        self.say(
            f"step {step}/{self.steps}, loss {loss:.4f}, {self.batch / each:.1f} img/s, "
            f"{each * (self.steps - step):.0f} s to go"
        )
        if path := os.environ.get("ARGO_PROGRESS_FILE"):
            with open(path, "w") as out:
                out.write(f"{step}/{self.steps}\n")
