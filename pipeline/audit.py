"""Recount a run from its plan. The orchestrator's green is not believed.

For each stage and shard: the manifest is there, its tar is there in full, `in = out + filtered +
quarantined`, what it read is what stands now, and it answered for exactly the samples that the
stages above say it should have: no sample lost, none doubled.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from pydantic import Field

from pipeline.config import Config
from pipeline.conservation import conservation
from pipeline.dag import checked
from pipeline.documents import Doc
from pipeline.errors import OK, PERMANENT, TRANSIENT, CorruptData, NotReady
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
    """`missing` is work not done yet; `faults` are things that must not be."""

    run: str
    profile: str
    digest: str
    stages: dict[str, Counts]
    missing: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return PERMANENT if self.faults else TRANSIENT if self.missing else OK


def audit(path: Path, only: frozenset[str] | None = None) -> Audit:
    """Audit the run at `path`, or only the stages named."""
    config, run = read_run(path), RunFolder(path)
    stages = [stage for stage in checked(config) if only is None or stage.name in only]
    found = {stage.name: _Tally(stage) for stage in stages}
    missing: list[str] = []
    faults: list[str] = []
    for stage in stages:
        for shard in stage.shards(config):
            try:
                manifest = run.manifest(stage.name, shard)
            except NotReady:
                missing.append(f"{stage.name} shard {shard:05d} is not committed")
                continue
            except CorruptData as error:
                faults.append(str(error))
                continue
            found[stage.name].add(manifest)
            faults += _shard_faults(run, config, manifest)
    for shard in range(config.shards):
        faults += conservation(run, config, stages, shard)
    digest = ""
    if not missing and not faults and (only is None or "index" in only):
        digest = join(run, ("index",), 0).rows["index"].get("index", "IndexFacts").digest
        if digest != dataset_digest(run, config)[0]:
            faults.append("the dataset index does not match the shards that stand")
    counts = {name: tally.counts() for name, tally in found.items()}
    return Audit(run=str(path), profile=config.profile, digest=digest, stages=counts,
                 missing=tuple(missing), faults=tuple(faults))  # fmt: skip


def dataset_digest(run: RunFolder, config: Config) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The digest of the dataset: over the ordered tar digests of every split."""
    shards: dict[str, tuple[str, ...]] = {}
    for split in ("train", "val", "filtered"):
        name = f"assemble-{split}"
        shards[split] = tuple(run.manifest(name, i).sha256 for i in range(config.shards))
    text = "\n".join(f"{split} {sha}" for split in shards for sha in shards[split])
    return hashlib.sha256(text.encode()).hexdigest(), shards


class _Tally:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
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


def _shard_faults(run: RunFolder, config: Config, manifest: Manifest) -> list[str]:
    name = f"{manifest.dataset} shard {manifest.shard:05d}"
    found = []
    tar = run.tar(manifest)
    if not tar.exists():
        found.append(f"{name}: {tar.name} is gone, but its manifest stands")
    elif tar.stat().st_size != manifest.bytes:
        found.append(f"{name}: {tar.name} has {tar.stat().st_size} bytes, not {manifest.bytes}")
    if not manifest.balanced():
        found.append(f"{name}: in is not out + filtered + quarantined")
    if manifest.config != config.digest():
        found.append(f"{name} was made with another config ({manifest.config})")
    for parent, sha in manifest.parents.items():
        dataset, _, shard = parent.partition("/")
        number = int(shard) if shard else manifest.shard
        if run.committed(dataset, number) and run.manifest(dataset, number).sha256 != sha:
            found.append(f"{name} was made from other bytes of {parent} than those that stand")
    return found
