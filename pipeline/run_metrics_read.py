"""The committed shards of a run as small totals: each manifest is read once, and never kept.

Whoever scrapes comes every few seconds, for days, and a run has tens of thousands of manifests. So
a scrape only looks for files that are new or not what they were (inode, time, size). Nothing here
writes; what cannot be read is said once, and left out.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import events
from pipeline.errors import CorruptData, NotReady, PalimpsestError, explain
from pipeline.manifest import Manifest
from pipeline.shards import RunFolder, parsed

#: Inode, time of the last change (ns) and size: another file is another version.
Version = tuple[int, int, int]


class Warnings:
    """Says each thing once, however often it is met, and of one run no more than `MOST`."""

    MOST = 5

    def __init__(self) -> None:
        self._said: dict[Path, set[Path]] = {}

    def once(self, about: Path, why: Exception | str, run: Path | None = None) -> None:
        """`why` is an exception or a sentence, `about` what it is said of, in the folder `run`."""
        said = self._said.setdefault(run or about, set())
        if about in said or len(said) > self.MOST:
            return
        said.add(about)
        if len(said) > self.MOST:
            why = f"more of {run} cannot be read: `palimpsest audit {run}` names all of it"
        if isinstance(why, Exception):
            why = explain(why)[1] or f"{about}: {why}"
        self.say(why)

    def say(self, why: str) -> None:
        events.say("left-out", "left out of the metrics: {why}", level="warning", why=why)


class Silent(Warnings):
    """For where others say it."""

    def say(self, why: str) -> None:
        pass


@dataclass(slots=True)
class Totals:
    """What one committed shard comes to, or several: samples by outcome, wall seconds (those of
    killed attempts whose batches were taken over among them), those of the attempts that committed
    by phase, bytes of the tars."""

    samples: dict[str, int] = field(default_factory=lambda: {"ok": 0})
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    bytes: int = 0

    def add(self, other: Totals) -> None:
        for outcome, number in other.samples.items():
            self.samples[outcome] = self.samples.get(outcome, 0) + number
        for phase, seconds in other.phases.items():
            self.phases[phase] = self.phases.get(phase, 0.0) + seconds
        self.seconds += other.seconds
        self.bytes += other.bytes


def totals(manifest: Manifest) -> Totals:
    """Counted as the audit counts: `ok` is its `out`, the rest its reasons."""
    samples = {"ok": manifest.counts()["out"]} | Counter(one.reason for one in manifest.rejected)
    attempt = manifest.attempt
    seconds = attempt.seconds + attempt.salvaged_seconds
    return Totals(samples, seconds, dict(attempt.phases), manifest.bytes)


class Dataset:
    """One dataset of a run. `shards` has the totals of those that are committed and can be read,
    by number; `all` is their sum, `newest` the time of the last commit in seconds since 1970."""

    def __init__(self, run: RunFolder, name: str, warnings: Warnings) -> None:
        self.run, self.name, self.warnings = run, name, warnings
        self.shards: dict[int, Totals] = {}
        self.versions: dict[int, Version] = {}
        self.all, self.newest = Totals(), 0.0

    def refresh(self, count: int) -> None:
        """Look at the folder anew; `count` is how many shards the dataset has when it is whole."""
        try:
            found = self._listed(count)
        except (FileNotFoundError, NotADirectoryError):
            found = {}  # not begun, or deleted
        except OSError as error:  # what was known of a sick disk goes on to be said
            self.warn(self.run.datasets / self.name, error)
            return
        if found == self.versions:
            return
        for shard in self.versions.keys() - found.keys():
            self.shards.pop(shard, None)
        for shard in sorted(found):
            if found[shard] != self.versions.get(shard) and not self._read(shard):
                del found[shard]  # to be tried again
        self.versions = found
        self.all = Totals()
        for one in self.shards.values():
            self.all.add(one)
        self.newest = max((found[shard][1] for shard in self.shards), default=0) / 1e9

    def warn(self, about: Path, why: Exception) -> None:
        self.warnings.once(about, why, self.run.path)

    def _listed(self, count: int) -> dict[int, Version]:
        found: dict[int, Version] = {}
        with os.scandir(self.run.datasets / self.name) as entries:
            for entry in entries:
                stem = entry.name.removesuffix(".json")
                if stem == entry.name or not stem.isdecimal() or not stem.isascii():
                    continue
                shard = int(stem)
                if shard < count and f"{shard:05d}" == stem:
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # deleted just now
                        continue
                    found[shard] = (status.st_ino, status.st_mtime_ns, status.st_size)
        return found

    def _read(self, shard: int) -> bool:
        """Whether there is no more to be learned from this version of the manifest."""
        self.shards.pop(shard, None)
        try:
            self.shards[shard] = totals(parsed(self.run.manifest_path(self.name, shard)))
        except (PalimpsestError, OSError) as error:
            if not isinstance(error, (FileNotFoundError, NotReady)):  # deleted just now
                self.warn(self.run.manifest_path(self.name, shard), error)
            return isinstance(error, CorruptData)
        return True


def manifests(folder: Path) -> int:
    """How many lie in a folder that may not be there."""
    try:
        return sum(name.endswith(".json") and name[0] != "." for name in os.listdir(folder))
    except OSError:  # on a sick disk others are missed as well, and say so
        return 0
