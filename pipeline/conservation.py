"""No sample lost, none doubled: which samples each stage had to answer for, counted from the plan.

The rules are the jobs' own (`mine`), written a second time on purpose: an audit that asked the jobs
would believe them.
"""

from __future__ import annotations

from collections.abc import Collection

from pipeline.config import Config
from pipeline.documents import Plan, Source
from pipeline.errors import CorruptData
from pipeline.shards import RunFolder, join
from pipeline.stage import Stage


class Known:
    """What the records of one shard say about its samples, read once."""

    def __init__(self, run: RunFolder, here: Collection[str], shard: int) -> None:
        layers = [name for name in ("ingest", "plan") if name in here]
        rows = join(run, layers, shard).rows
        self.sources: dict[str, Source] = {}
        self.plans: dict[str, Plan] = {}
        for key, row in rows.items():
            self.sources[key] = row.get("source", "Source")
            if plan := row.get("plan", "Plan"):
                self.plans[key] = plan
        scored = run.manifest("score", shard).rejected if "score" in here else ()
        self.apart = {item.key for item in scored}

    def answers(self, stage: Stage, key: str) -> bool:
        """Whether `stage` must answer for sample `key`, given that all it reads is there."""
        args = dict(zip(stage.args[::2], stage.args[1::2], strict=True))
        if stage.module == "jobs.generate":
            source = self.sources[key]
            return source.base == "ai" and source.family == args["--family"]
        if stage.module in ("jobs.prompt", "jobs.edit"):
            turns, turn = self.plans[key].turns, int(args["--turn"])
            mine = stage.module == "jobs.prompt"
            return len(turns) >= turn and (mine or turns[turn - 1].family == args["--family"])
        if stage.module == "jobs.assemble":
            split = "filtered" if key in self.apart else self.sources[key].split
            return split == args["--split"]
        return True


def conservation(run: RunFolder, config: Config, stages: list[Stage], shard: int) -> list[str]:
    """The faults of one shard, over all its stages that are committed with all that they read."""
    here = {s.name: s for s in stages if s.scope == "shard" and run.committed(s.name, shard)}
    try:
        known = Known(run, here, shard)
        ready = [stage for stage in here.values() if all(name in here for name in stage.reads)]
        return [fault for stage in ready for fault in _faults(run, config, known, stage, shard)]
    except CorruptData as error:
        return [str(error)]


def _faults(run: RunFolder, config: Config, known: Known, stage: Stage, shard: int) -> list[str]:
    found = []
    expected = set(config.keys(shard))
    if stage.takes is not None:
        rows = join(run, stage.reads, shard).rows
        there = [key for key, row in rows.items() if row.has(stage.takes)]
        expected = {key for key in there if known.answers(stage, key)}
    taken = set(run.manifest(stage.name, shard).ids_in)
    for what, keys in (("lost", expected - taken), ("took", taken - expected)):
        if keys:
            ought = "should have taken" if what == "lost" else "should not have"
            name = f"{stage.name} shard {shard:05d}"
            found.append(f"{name} {what} {len(keys)} samples it {ought}: {min(keys)} ...")
    return found
