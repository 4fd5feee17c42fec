"""What ran and how long, from the manifests alone.

in    a run folder and its config
out   `Stages`: one `Tally` per stage, folded into groups, and what was declined and why
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from pipeline.config import Config
from pipeline.dag import dag
from pipeline.manifest import Manifest, Rejected
from pipeline.shards import RunFolder
from pipeline.stage import Stage
from pipeline.summary import TURNS


@dataclass
class Tally:
    """One stage, or several alike, over all shards. `bars` are (start, seconds, family)."""

    name: str
    family: str = ""
    shards: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    peak: int = 0
    hosts: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    rated: bool = False
    phases: Counter[str] = field(default_factory=Counter)
    bars: list[tuple[float, float, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    members: list[Tally] = field(default_factory=list)

    def add(self, manifest: Manifest) -> None:
        attempt = manifest.attempt
        self.shards += 1
        self.counts += manifest.counts()
        self.seconds += attempt.seconds
        self.peak = max(self.peak, attempt.peak_rss_mib)
        self.hosts |= {attempt.host} - {""}
        self.models |= {manifest.model} - {""}
        self.rated |= any(key.isdigit() for key in manifest.ids_in)
        self.phases.update(attempt.phases)
        self.rejected += manifest.rejected
        if attempt.started:
            self.bars.append((attempt.started, attempt.seconds, self.family))

    def fold(self, other: Tally) -> None:
        """Add a whole stage to a group."""
        self.members.append(other)
        self.shards, self.seconds = self.shards + other.shards, self.seconds + other.seconds
        self.counts += other.counts
        self.peak = max(self.peak, other.peak)
        self.hosts |= other.hosts
        self.models |= other.models
        self.rated |= other.rated
        self.phases += other.phases
        self.bars += other.bars

    @property
    def rate(self) -> float | None:
        """Samples per second of process time, for stages that work on samples."""
        return self.counts["in"] / self.seconds if self.rated and self.seconds else None

    @property
    def longest(self) -> str:
        """The phase that took the most time."""
        return max(self.phases, key=lambda name: (self.phases[name], name), default="")


@dataclass(frozen=True)
class Stages:
    """`codes` and `seeds` are the digests of code and the schemes of seeds that manifests name."""

    groups: tuple[Tally, ...]
    codes: tuple[str, ...]
    seeds: tuple[str, ...] = ()

    @property
    def stages(self) -> Iterable[Tally]:
        return (stage for group in self.groups for stage in group.members)

    @property
    def bars(self) -> list[tuple[float, float, str]]:
        return [bar for group in self.groups for bar in group.bars]

    @property
    def wall(self) -> float:
        """From the start of the first attempt to the end of the last, breaks included."""
        bars = self.bars
        if not bars:
            return 0.0
        return max(start + seconds for start, seconds, _ in bars) - min(bar[0] for bar in bars)


def collect(run: RunFolder, config: Config) -> Stages:
    """Every stage above this one, in the order of the DAG; shards without a manifest left out."""
    groups: dict[str, Tally] = {}
    codes: set[str] = set()
    seeds: set[str] = set()
    for stage in dag(config):
        if stage.module == "training.report":
            continue
        tally = Tally(stage.name, dict(_pairs(stage)).get("--family", ""))
        for shard in stage.shards(config):
            if run.committed(stage.name, shard):
                manifest = run.manifest(stage.name, shard)
                tally.add(manifest)
                codes.add(manifest.code)
                seeds.add(manifest.seeds)
        groups.setdefault(_group(stage), Tally(_group(stage))).fold(tally)
    schemes = tuple(sorted(seeds - {""}))
    return Stages(tuple(groups.values()), tuple(sorted(codes)), schemes)


def _pairs(stage: Stage) -> Iterable[tuple[str, str]]:
    return zip(stage.args[::2], stage.args[1::2], strict=True)


def _group(stage: Stage) -> str:
    """`edit-1-sdxl` -> `edit-1-*`: stages that differ in their family, split or detector only."""
    given = dict(_pairs(stage))
    if "--detector" in given:
        kind = "train" if stage.module.endswith("train") else f"evaluate-{given['--protocol']}"
        return f"{kind}-*"
    for name in ("--family", "--split"):
        if name in given:
            return stage.name.removesuffix(given[name].replace("_", "-")) + "*"
    return stage.name


def reasons(stages: Stages) -> list[tuple[str, str, str, int]]:
    """(group, outcome, reason, samples), in the order of the DAG, the frequent reason first. What a
    stage of a turn declines costs the turn, not the sample."""
    found = []
    for group in stages.groups:
        counts = Counter((i.outcome, i.reason) for stage in group.members for i in stage.rejected)
        for (outcome, reason), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            said = "turn skipped" if group.name.startswith(TURNS) else outcome
            found.append((group.name, said, reason, n))
    return found


def excerpt(stages: Stages, limit: int = 50) -> list[tuple[str, Rejected]]:
    """At most `limit` declined samples as (stage, rejected), every stage and reason in turn."""
    piles: dict[tuple[str, str], list[tuple[str, Rejected]]] = {}
    for stage in stages.stages:
        for item in stage.rejected:
            piles.setdefault((stage.name, item.reason), []).append((stage.name, item))
    rounds = zip_longest(*piles.values())
    taken = [item for row in rounds for item in row if item is not None][:limit]
    order = {pile: i for i, pile in enumerate(piles)}
    return sorted(taken, key=lambda item: (order[item[0], item[1].reason], item[1].key))


def skipped(stages: Stages) -> dict[str, list[tuple[str, Rejected]]]:
    """Turns that did not count, by sample: (stage, why)."""
    found: dict[str, list[tuple[str, Rejected]]] = {}
    for stage in stages.stages:
        if stage.name.startswith(TURNS):
            for item in stage.rejected:
                found.setdefault(item.key, []).append((stage.name, item))
    return found
