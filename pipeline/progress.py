"""What a stage says while it works: an event per shard, and `N/M` in a file for whoever watches.

`ARGO_PROGRESS_FILE` is how Argo learns a pod's progress; the local executor sets it too, so the bar
in the terminal and the one in Argo's interface read the same thing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pipeline import events
from pipeline.manifest import Manifest

if TYPE_CHECKING:
    from pipeline.stage import Context

#: The outcomes that are said only where there are any.
DECLINED = ("filtered", "quarantined")


def committed(manifest: Manifest, diverged: bool = False) -> None:
    """The event of a commit. `samples_per_second` is of what came in, loading a model included."""
    counts, seconds = manifest.counts(), manifest.attempt.seconds
    number: dict[str, Any] = {name: counts[name] for name in ("in", "out", *DECLINED)}
    declined = "".join(f", {{{name}}} {name}" for name in DECLINED if counts[name])
    events.say(
        "shard-committed",
        "shard {shard:05d} committed: {in} in, {out} out" + declined + ", {seconds:.1f} s",
        shard=manifest.shard, seconds=seconds, **number,
        samples_per_second=round(counts["in"] / seconds, 3) if seconds else None,
    )  # fmt: skip
    if diverged:
        events.say("commit-diverged", "shard {shard:05d} was committed by another attempt with "
                   "other bytes, which stand; see docs/runbooks/PalimpsestCommitDivergence.md",
                   level="warning", shard=manifest.shard)  # fmt: skip


class Progress:
    """Counts samples over the whole partition; skipped shards count as done."""

    def __init__(self, context: Context) -> None:
        self.shards = len(context.shards)
        self._file = os.environ.get("ARGO_PROGRESS_FILE")
        self._done_shards, self._samples, self._in_shard = 0, 0, 0
        self._last, self._begun, self._skipped = 0.0, time.monotonic(), 0

    def shard_skipped(self, shard: int) -> None:
        self._done_shards += 1
        self._skipped += 1
        self._tell(force=True)

    def model_loaded(self, model: str, seconds: float) -> None:
        """`model` is its digest, "" of a job without one."""
        if model:
            events.say("model-loaded", "model {model} loaded in {seconds:.1f} s",
                       model=model, seconds=round(seconds, 3))  # fmt: skip

    def shard_started(self, shard: int, samples: int) -> None:
        self._samples, self._in_shard = 0, samples

    def advance(self, samples: int) -> None:
        self._samples += samples
        self._tell()

    def cut(self, cuts: int) -> None:
        """A batch did not fit into the device's memory."""
        if cuts:
            events.say("batch-cut", "the device was full, the batch was cut smaller {cuts} times: "
                       "lower editing.batch in the next run, or choose a device with more memory",
                       level="warning", cuts=cuts)  # fmt: skip

    def shard_done(self, manifest: Manifest, diverged: bool = False) -> None:
        self._done_shards += 1
        committed(manifest, diverged)
        self._samples = self._in_shard = 0
        self._tell(force=True)

    def finished(self) -> None:
        events.say(
            "stage-finished", "finished: {committed} shards committed, {skipped} were already, "
            "{seconds:.1f} s", committed=self._done_shards - self._skipped, skipped=self._skipped,
            seconds=round(time.monotonic() - self._begun, 3),
        )  # fmt: skip

    def _tell(self, force: bool = False) -> None:
        """Write `N/M` in thousandths of a shard; at most twice a second."""
        now = time.monotonic()
        if not self._file or (not force and now - self._last < 0.5):
            return
        self._last = now
        share = self._samples / self._in_shard if self._in_shard else 0.0
        with open(self._file, "w") as out:
            out.write(f"{round(1000 * (self._done_shards + share))}/{max(1, 1000 * self.shards)}\n")
