"""The `palimpsest_run_*` series of one run folder: what stands there, counted as the audit counts.

The manifests are the truth: what a killed attempt did is in none of them, and what is committed
twice is in one. So these figures survive every process, and a finished run has them for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline import metrics
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.fates import DOORS, FATES, Fate, counted
from pipeline.metrics import Metric
from pipeline.run_metrics_facts import Facts
from pipeline.run_metrics_read import Dataset, Warnings, manifests
from pipeline.shards import RunFolder
from pipeline.stage import Stage

#: A metric, the values of its labels, and its value.
Series = tuple[Metric, tuple[str, ...], float]


class Run:
    """One run as it was configured; `series` looks at its folder anew."""

    def __init__(self, path: Path, config: Config, warnings: Warnings) -> None:
        self.folder, self.config, self.warnings = RunFolder(path), config, warnings
        self.name = path.resolve().name
        self.stages = checked(config)
        self.datasets = {one.name: Dataset(self.folder, one.name, warnings) for one in self.stages}
        self.facts = Facts(self.folder, config)

    def series(self) -> Iterator[Series]:
        """All of its series. Those that count are there from the beginning, at zero: what was
        never seen at zero cannot be seen to rise."""
        for stage in self.stages:
            self.datasets[stage.name].refresh(len(stage.shards(self.config)))
        yield metrics.RUN_INFO, (self.name, self.config.profile), 1
        yield metrics.RUN_PLANNED, (self.name,), self.config.samples
        for stage in self.stages:
            yield from self._progress(stage)
            yield from self._work(stage)
        for fate, number in self._fates().items():
            yield metrics.RUN_FINISHED, (self.name, fate), number
        if newest := max(one.newest for one in self.datasets.values()):
            yield metrics.RUN_LAST_COMMIT, (self.name,), newest
        for drawn, lacks in self.facts.deficits(self.datasets).items():
            yield metrics.RUN_DEFICIT, (self.name, *drawn), lacks
        scored = [one for one in self.stages if one.module == "training.evaluate"]
        for labels, value in self.facts.scores(self.datasets[one.name] for one in scored).items():
            yield metrics.RUN_SCORE, (self.name, *labels), value

    def _progress(self, stage: Stage) -> Iterator[Series]:
        """By partition, cut as they are on one machine and by default in a cluster."""
        parts = min(self.config.local.partitions, self.config.shards)
        committed = self.datasets[stage.name].shards
        for k, n in [(0, 1)] if stage.scope == "run" else [(k, parts) for k in range(parts)]:
            mine = stage.shards(self.config, (k, n))
            labels = (self.name, stage.name, stage.family, f"{k}/{n}")
            yield metrics.RUN_SHARDS, labels, len(mine)
            yield metrics.RUN_COMMITTED, labels, sum(shard in committed for shard in mine)

    def _work(self, stage: Stage) -> Iterator[Series]:
        who, done = (self.name, stage.name, stage.family), self.datasets[stage.name].all
        device, held = stage.holds
        for outcome, number in done.samples.items():
            yield metrics.RUN_SAMPLES, (*who, outcome), number
        # Manifests have milliseconds. A sum whose last bit hung on the order would seem to fall,
        # which of a counter means that it began anew.
        yield metrics.RUN_SECONDS, (*who, device), round(held * done.seconds, 3)
        for phase, seconds in done.phases.items():
            yield metrics.RUN_PHASES, (*who, phase), round(seconds, 3)
        yield metrics.RUN_BYTES, who, done.bytes
        yield metrics.RUN_DIVERGENCES, who, manifests(self.folder.diverged / stage.name)

    def _fates(self) -> dict[Fate, int]:
        """Of the samples whose shard lies in all splits."""
        splits = {name: self.datasets[name].shards for name in DOORS}
        settled = set.intersection(*map(set, splits.values()))
        planned = sum(len(self.config.keys(shard)) for shard in settled)
        found = counted(planned, {name: sum(done[shard].samples["ok"] for shard in settled)
                                  for name, done in splits.items()})  # fmt: skip
        return {fate: found[fate] for fate in FATES if fate != "undecided"}
