"""Seconds by phase of one attempt at a shard."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline import gpu
from pipeline.meter import Meter
from pipeline.stage import Stage


class Clock:
    """Seconds by phase, for the manifest's attempt and, with a meter, for the metrics; `took` are
    those of the last one."""

    def __init__(self, meter: Meter | None = None) -> None:
        self.started, self.phases, self.meter = time.time(), dict[str, float](), meter
        self.took = 0.0
        self.salvaged, self.salvaged_seconds = 0, 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.took = time.perf_counter() - begun
            self.phases[name] = self.phases.get(name, 0.0) + self.took
            if self.meter:
                self.meter.phase(name, self.took)

    def taken_over(self, samples: int, seconds: float) -> None:
        """Samples that an earlier attempt had finished, in so many seconds of its own."""
        self.salvaged += samples
        self.salvaged_seconds += seconds

    def attempt(self, stage: Stage) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return {
            "host": socket.gethostname(), "started": self.started,
            "seconds": round(time.time() - self.started, 3), "peak_rss_mib": peak,
            "gpu": gpu.name() if stage.gpu_gib else "",
            "salvaged": self.salvaged, "salvaged_seconds": round(self.salvaged_seconds, 3),
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
        }  # fmt: skip
