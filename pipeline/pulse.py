"""How often a long piece of work speaks, and where it leaves how far it is.

`ARGO_PROGRESS_FILE` is how Argo learns a pod's progress; the local executor sets it too, so that
the bar in the terminal and the one in Argo's interface read the same thing. Beside it the executor
asks for the samples that were worked at (`PALIMPSEST_SAMPLES_FILE`), for a rate.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

#: Seconds between two lines of work that goes on for long: 60 lines an hour.
EVERY = 60.0
#: Seconds between two writes of a file that somebody may be looking at.
OFTEN = 0.5
FILE, SAMPLES_FILE = "ARGO_PROGRESS_FILE", "PALIMPSEST_SAMPLES_FILE"


class Pulse:
    """Due first after `first` seconds, then after twice as long each time, up to `EVERY`."""

    def __init__(self, first: float = EVERY) -> None:
        self._wait, self._last = first, time.monotonic()

    def due(self) -> bool:
        """Whether it is time to speak; then the next wait begins."""
        now = time.monotonic()
        if now - self._last < self._wait:
            return False
        self._last, self._wait = now, min(2 * self._wait, EVERY)
        return True


class Told:
    """`N/M` in a file, at most twice a second; where it cannot be written, the work goes on."""

    def __init__(self) -> None:
        self._file, self._samples = os.environ.get(FILE), os.environ.get(SAMPLES_FILE)
        self._last = float("-inf")

    def tell(self, done: int, total: int, samples: int, force: bool = False) -> None:
        """`samples` were worked at by this process."""
        now = time.monotonic()
        if not self._file or (not force and now - self._last < OFTEN):
            return
        self._last = now
        with suppress(OSError):
            Path(self._file).write_text(f"{done}/{total}\n")
            if self._samples:
                Path(self._samples).write_text(f"{samples}\n")
