"""Recount a run from its plan. The orchestrator's green is not believed.

For each stage and shard: the manifest is there, its tar is there in full, `in = out + filtered +
quarantined`, what it read is what stands now, and it answered for exactly the samples that the
stages above say it should have: no sample lost, none doubled. No source lies in two splits. With
`verify`, every tar is read and holds the bytes that were committed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from pydantic import Field

from pipeline import reading
from pipeline.config import Config
from pipeline.conservation import Fault, conservation, untouched
from pipeline.dag import checked
from pipeline.documents import Doc, Split
from pipeline.errors import OK, PERMANENT, TRANSIENT, CorruptData, NotReady
from pipeline.fates import DOORS, FATES, Fate, counted
from pipeline.manifest import Manifest
from pipeline.shards import RunFolder, join
from pipeline.stage import Stage, read_run


class Counts(Doc):
    """One stage over all its shards; `seconds` is process time, summed."""

    shards: int = 0
    taken: int = 0
    out: int = 0
    filtered: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    peak_rss_mib: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)


class Audit(Doc):
    """`samples` are the planned ones by what became of them; `missing` is work not done yet;
    `faults` are things that must not be."""

    run: str
    profile: str
    digest: str
    samples: dict[Fate, int]
    stages: dict[str, Counts]
    missing: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return PERMANENT if self.faults else TRANSIENT if self.missing else OK

    @property
    def verdict(self) -> str:
        return "faults" if self.faults else "incomplete" if self.missing else "complete"


def audit(path: Path, only: frozenset[str] | None = None, verify: bool = False) -> Audit:
    """Audit the run at `path`, or only the stages named; with `verify`, read every tar in full."""
    return look(path, only, verify)[0]


def look(
    path: Path, only: frozenset[str] | None = None, verify: bool = False
) -> tuple[Audit, list[Fault]]:
    """The audit, and its faults with the shards that they show in."""
    config, run = read_run(path), RunFolder(path)
    stages = [stage for stage in checked(config) if only is None or stage.name in only]
    least = reading.WORTH_A_BAR
    with reading.bar(reading.stored(run), least) if verify else nullcontext() as read:
        auditor = _Auditor(run, config, stages, read)
        return auditor.verdict(), auditor.faults


def dataset_digest(run: RunFolder, config: Config) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The digest of the dataset: over the ordered tar digests of every split, then of the
    photographs that nobody edited, if there are any."""
    shards: dict[str, tuple[str, ...]] = {}
    for split in ("train", "val", "filtered"):
        name = f"assemble-{split}"
        shards[split] = tuple(run.manifest(name, i).sha256 for i in range(config.shards))
    if config.real_shards:
        reals = range(config.real_shards)
        shards["reals"] = tuple(run.manifest("reals", i).sha256 for i in reals)
    text = "\n".join(f"{split} {sha}" for split in shards for sha in shards[split])
    return hashlib.sha256(text.encode()).hexdigest(), shards


class _Auditor:
    """Goes through the run shard by shard, so that it never holds more than one shard's manifests;
    of the others it keeps the digests and the sources. With `read`, to be told of the bytes, it
    reads every tar."""

    def __init__(
        self, run: RunFolder, config: Config, stages: list[Stage],
        read: Callable[[int], None] | None,
    ) -> None:  # fmt: skip
        self.run, self.config, self.stages, self.read = run, config, stages, read
        self.sides: dict[str, Split] = {}
        self.configs = {stage.name: stage.digest(config) for stage in stages}
        self.tallies = {stage.name: _Tally() for stage in stages}
        self.digests: dict[tuple[str, int], str] = {}
        self.fates = Counter[Fate]()
        self.missing: list[str] = []
        self.faults: list[Fault] = []

    def verdict(self) -> Audit:
        sharded = [one for one in self.stages if (one.scope, one.of) == ("shard", "samples")]
        apart = [one for one in self.stages if (one.scope, one.of) == ("shard", "reals")]
        for shard in range(self.config.shards):
            here = self._load(sharded, shard)
            self.faults += conservation(self.run, self.config, sharded, here, shard, self.sides)
            left = {name: here[name].counts()["out"] for name in DOORS if name in here}
            self.fates += counted(len(self.config.keys(shard)), left)
        seen: dict[str, Split] = {}
        for shard in range(self.config.real_shards):
            here = self._load(apart, shard)
            self.faults += untouched(self.run, self.config, apart, here, shard, self.sides, seen)
        self._load([stage for stage in self.stages if stage.scope == "run"], 0)
        digest = ""
        if not self.missing and not self.faults and ("index", 0) in self.digests:
            digest = join(self.run, ("index",), 0).rows["index"].get("index", "IndexFacts").digest
            if digest != dataset_digest(self.run, self.config)[0]:
                self.faults.append(Fault("index", 0, "the dataset index does not match the shards "
                                         "that stand"))  # fmt: skip
        counts = {name: tally.counts() for name, tally in self.tallies.items()}
        return Audit(
            run=str(self.run.path), profile=self.config.profile, digest=digest, stages=counts,
            samples={fate: self.fates[fate] for fate in FATES}, missing=tuple(self.missing),
            faults=tuple(fault.text for fault in self.faults),
        )  # fmt: skip

    def _load(self, stages: list[Stage], shard: int) -> dict[str, Manifest]:
        """The manifests of one shard, upstream first, each checked on its own."""
        here: dict[str, Manifest] = {}
        for stage in stages:
            try:
                manifest = here[stage.name] = self.run.manifest(stage.name, shard)
            except NotReady:
                self.missing.append(f"{stage.name} shard {shard:05d} is not committed")
                continue
            except CorruptData as error:
                self.faults.append(Fault(stage.name, shard, error.what))
                continue
            self.tallies[stage.name].add(manifest)
            self.digests[stage.name, shard] = manifest.sha256
            self.faults += [
                Fault(stage.name, shard, f"{stage.name} shard {shard:05d}: {what}")
                for what in self._wrong(manifest)
            ]
        return here

    def _wrong(self, manifest: Manifest) -> list[str]:
        found = []
        try:
            self.run.measure(manifest)
            if self.read:
                self.run.verify(manifest)
                self.read(manifest.bytes)
        except CorruptData as error:
            found.append(error.what)
        if not manifest.balanced():
            found.append("in is not out + filtered + quarantined")
        if manifest.config != self.configs.get(manifest.dataset):
            found.append(f"made with another config ({manifest.config})")
        for parent, sha in manifest.parents.items():
            dataset, _, shard = parent.partition("/")
            stands = self.digests.get((dataset, int(shard) if shard else manifest.shard))
            if stands is not None and stands != sha:
                found.append(f"made from other bytes of {parent} than those that stand")
        return found


class _Tally:
    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.shards, self.seconds, self.peak = 0, 0.0, 0

    def add(self, manifest: Manifest) -> None:
        self.shards += 1
        self.total += manifest.counts()
        self.reasons.update(item.reason for item in manifest.rejected)
        self.seconds += manifest.attempt.seconds
        self.peak = max(self.peak, manifest.attempt.peak_rss_mib)

    def counts(self) -> Counts:
        return Counts(shards=self.shards, taken=self.total["in"], out=self.total["out"],
                      filtered=self.total["filtered"], quarantined=self.total["quarantined"],
                      seconds=round(self.seconds, 2), peak_rss_mib=self.peak,
                      reasons=dict(sorted(self.reasons.items())))  # fmt: skip
