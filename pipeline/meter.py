"""What the loop of the stages measures of its own process, as metrics."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from pipeline import code, gpu, live, metrics
from pipeline.code import VERSION
from pipeline.manifest import Manifest
from pipeline.records import Reject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.stage import Context

#: The labels of this process, once it has begun.
_here: tuple[str, ...] | None = None


def begun(context: Context) -> None:
    """Say that a stage works in this process, and serve what it says from here on."""
    global _here
    _here = who = context.labels
    live.gauge(metrics.BUILD, VERSION, code.digest()).set(1)
    # The processes of torchrun begin together: that is one start.
    live.counter(metrics.STARTS, *who).inc(os.environ.get("RANK", "0") == "0")
    live.gauge(metrics.RUNNING, *who).set(1)
    live.gauge(metrics.SHARDS, *who).set(len(context.shards))
    live.gauge(metrics.SHARDS_LEFT, *who).set(len(context.shards))
    goes_on()
    if context.stage.gpu_gib:
        gpu.watch(who)
        _expected(context)
    live.serve(context.config.metrics.linger_seconds)


def _expected(context: Context) -> None:
    """What a sample should take here, where the model's card and the GPU's data sheet say it."""
    from pipeline import devices, estimate

    device = devices.known(gpu.name())
    if device and (each := estimate.sample_seconds(context.stage, context.config, device)):
        live.gauge(metrics.EXPECTED_SECONDS, *context.labels).set(each)


def goes_on() -> None:
    """What this process does has come a step further, in a loop that knows no `Context`."""
    if _here is not None:
        live.gauge(metrics.PROGRESS, *_here).set_to_current_time()


class Meter:
    """Of this process's partition, while it works there."""

    def __init__(self, context: Context) -> None:
        self.who, self._left = context.labels, len(context.shards)

    def phase(self, name: str, seconds: float) -> None:
        live.histogram(metrics.PHASE_SECONDS, *self.who, name).observe(seconds)

    def batch(self, results: Sequence[Any], seconds: float, fallbacks: int) -> None:
        """A batch was transformed in so many seconds, after so many cuts for want of memory."""
        outcomes = Counter(one.reason if isinstance(one, Reject) else "ok" for one in results)
        for outcome, count in outcomes.items():
            live.counter(metrics.SAMPLES, *self.who, outcome).inc(count)
        each = live.histogram(metrics.SAMPLE_SECONDS, *self.who)
        for _ in results:
            each.observe(seconds / len(results))
        live.gauge(metrics.BATCH, *self.who).set(len(results))
        live.counter(metrics.FALLBACKS, *self.who).inc(fallbacks)
        goes_on()

    def shard_done(self, manifest: Manifest | None, diverged: bool = False) -> None:
        """Committed now, or (None) before this process began."""
        self._left -= 1
        live.gauge(metrics.SHARDS_LEFT, *self.who).set(self._left)
        goes_on()
        if manifest is not None:
            live.counter(metrics.WRITTEN, *self.who).inc(manifest.bytes)
        live.counter(metrics.DIVERGENCES, *self.who).inc(diverged)

    def finished(self) -> None:
        live.gauge(metrics.RUNNING, *self.who).set(0)
