"""What a stage says while it works: one line per shard, and `N/M` in a file for whoever watches.

`ARGO_PROGRESS_FILE` is how Argo learns a pod's progress; the local executor sets it too, so the bar
in the terminal and the one in Argo's interface read the same thing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pipeline.manifest import Manifest

if TYPE_CHECKING:
    from pipeline.stage import Context


class Progress:
    """Counts samples over the whole partition; skipped shards count as done."""

    def __init__(self, context: Context) -> None:
        self.stage, self.shards = context.stage.name, len(context.shards)
        self._file = os.environ.get("ARGO_PROGRESS_FILE")
        self._done_shards, self._samples, self._in_shard = 0, 0, 0
        self._last = 0.0
        self.say(f"{self.stage}: {self.shards} shards, {context.run.path}")

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def shard_skipped(self, shard: int) -> None:
        self._done_shards += 1
        self._tell(force=True)

    def shard_started(self, shard: int, samples: int) -> None:
        self._samples, self._in_shard = 0, samples

    def advance(self, samples: int) -> None:
        self._samples += samples
        self._tell()

    def shard_done(self, manifest: Manifest) -> None:
        self._done_shards += 1
        counts = manifest.counts()
        self.say(
            f"{self.stage} {manifest.shard:05d}: {counts['in']} in, {counts['out']} out, "
            f"{counts['filtered']} filtered, {counts['quarantined']} quarantined, "
            f"{manifest.attempt.seconds:.1f} s"
        )
        self._samples = self._in_shard = 0
        self._tell(force=True)

    def _tell(self, force: bool = False) -> None:
        """Write `N/M` in thousandths of a shard; at most twice a second."""
        now = time.monotonic()
        if not self._file or (not force and now - self._last < 0.5):
            return
        self._last = now
        share = self._samples / self._in_shard if self._in_shard else 0.0
        with open(self._file, "w") as out:
            out.write(f"{round(1000 * (self._done_shards + share))}/{max(1, 1000 * self.shards)}\n")
