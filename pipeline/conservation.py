"""No sample lost, none doubled: which samples each stage had to answer for, counted from the plan.

The rules are the jobs' own (`mine`), written a second time on purpose: an audit that asked the jobs
would believe them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.config import Config
from pipeline.documents import Plan, Real, Sample, Source, Split
from pipeline.errors import CorruptData
from pipeline.manifest import Manifest
from pipeline.shards import Joined, RunFolder
from pipeline.stage import Stage


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must not be, and the committed shard that it shows in."""

    dataset: str
    shard: int
    text: str


class Known:
    """What the records of one shard say about its samples, read once."""

    def __init__(self, run: RunFolder, config: Config, here: Mapping[str, Manifest]) -> None:
        layers = tuple(here[name] for name in ("ingest", "plan") if name in here)
        rows = Joined(run, layers).rows
        self.sources: dict[str, Source] = {}
        self.plans: dict[str, Plan] = {}
        for key, row in rows.items():
            if source := row.get("source", "Source"):  # else ingest lost it: a fault of its own
                self.sources[key] = source
            if plan := row.get("plan", "Plan"):
                self.plans[key] = plan
        scored = here["score"].rejected if "score" in here else ()
        self.apart = {item.key for item in scored}
        self.replays, self.finished = config.replays, dict[str, Sample]()
        if self.replays and "assemble-val" in here:
            finished = Joined(run, (here["assemble-val"],)).rows
            self.finished = {key: row.get("sample", "Sample") for key, row in finished.items()}

    def answers(self, stage: Stage, key: str) -> bool:
        """Whether `stage` must answer for sample `key`, given that all it reads is there."""
        args = stage.given
        if stage.module == "jobs.generate":
            source = self.sources[key]
            return source.base == "ai" and source.family == args["--family"]
        if stage.module in ("jobs.prompt", "jobs.edit"):
            turns, turn = self.plans[key].turns, int(args["--turn"])
            mine = stage.module == "jobs.prompt"
            return len(turns) >= turn and (mine or turns[turn - 1].family == args["--family"])
        if stage.module in ("jobs.assemble", "jobs.imported") and "--split" in args:
            split = "filtered" if key in self.apart else self.sources[key].split
            return split == args["--split"]
        if stage.module == "jobs.replay":
            return self._replayed(key, args["--variant"], args["--family"], int(args["--turn"]))
        return True

    def _replayed(self, key: str, variant: str, painter: str, turn: int) -> bool:
        """Whether the turn was painted by `painter`, for whom the variant may stand, and not before
        the first turn that the variant takes over."""
        replaced = self.replays[variant]
        original = replaced if painter == variant else painter
        edits = self.finished[key].edits
        over = [edit.turn for edit in edits if edit.family == replaced]
        mine = any((edit.turn, edit.family) == (turn, original) for edit in edits)
        return mine and bool(over) and min(over) <= turn


def conservation(
    run: RunFolder, config: Config, stages: list[Stage], here: Mapping[str, Manifest], shard: int,
    sides: dict[str, Split],
) -> list[Fault]:  # fmt: skip
    """The faults of one shard: over all its stages that are committed with all that they read.
    `here` has the manifests that stand; `sides`, the split of each source seen so far, grows."""
    try:
        known = Known(run, config, here)
    except CorruptData as error:
        return [Fault(*(error.where or ("ingest", shard)), error.what)]
    found = _leaks(known, shard, sides)
    for stage in stages:
        if stage.name not in here or not all(name in here for name in stage.reads):
            continue
        expected = set(stage.keys(config, shard))
        if stage.takes is not None:
            layers = Joined(run, tuple(here[name] for name in stage.reads))
            there = [key for key, row in layers.rows.items() if row.has(stage.takes)]
            expected = {key for key in there if known.answers(stage, key)}
        found += _faults(stage, shard, expected, set(here[stage.name].ids_in))
    return found


def untouched(
    run: RunFolder, config: Config, stages: list[Stage], here: Mapping[str, Manifest], shard: int,
    samples: Mapping[str, Split], sides: dict[str, Split],
) -> list[Fault]:  # fmt: skip
    """The faults of one shard of photographs that nobody edits. `samples` has the split of every
    source of the samples; `sides`, that of every source seen so far, grows."""
    found: list[Fault] = []
    for stage in stages:
        if stage.name not in here:
            continue
        manifest = here[stage.name]
        found += _faults(stage, shard, set(stage.keys(config, shard)), set(manifest.ids_in))
        try:
            rows = Joined(run, (manifest,)).rows
            reals: dict[str, Real] = {key: row.get("real", "Real") for key, row in rows.items()}
        except CorruptData as error:
            found.append(Fault(stage.name, shard, error.what))
            continue
        wrong: dict[str, list[str]] = {}
        for key, real in reals.items():
            if why := _misplaced(config, key, real, samples, sides):
                wrong.setdefault(why, []).append(key)
        found += [
            Fault(
                stage.name,
                shard,
                f"{stage.name} shard {shard:05d} has {len(keys)} pictures "
                f"{why}, such as {keys[0]} of {reals[keys[0]].source.source_id!r}: begin a new "
                "run with another --out",
            )
            for why, keys in wrong.items()
        ]
    return found


def _misplaced(
    config: Config, key: str, real: Real, samples: Mapping[str, Split], sides: dict[str, Split]
) -> str:
    """What is wrong about a photograph that nobody edits, "" if nothing is."""
    source = real.source
    if source.source_id in samples:
        return "of sources that samples are made from"
    if sides.setdefault(source.source_id, source.split) != source.split:
        return "of sources that are in the other split, too"
    part = "unedited" if int(key) < config.samples + config.reals.unedited else "negative"
    if real.part != part or (part == "unedited" and source.split != "train"):
        return f"that should be {part}" + (" and in train" if part == "unedited" else "")
    return ""


def _leaks(known: Known, shard: int, sides: dict[str, Split]) -> list[Fault]:
    """Sources that lie in train and in val: a detector would be scored on what it has seen."""
    both = sorted(key for key, source in known.sources.items()
                  if sides.setdefault(source.source_id, source.split) != source.split)  # fmt: skip
    if not both:
        return []
    one = known.sources[both[0]]
    return [Fault(
        "ingest", shard,
        f"ingest shard {shard:05d} has {len(both)} samples whose source is in two splits, such as "
        f"{both[0]} of {one.source_id!r}, in {sides[one.source_id]} and here in {one.split}: begin "
        "a new run with another --out",
    )]  # fmt: skip


def _faults(stage: Stage, shard: int, expected: set[str], taken: set[str]) -> list[Fault]:
    found = []
    for what, keys in (("lost", expected - taken), ("took", taken - expected)):
        if keys:
            ought = "should have taken" if what == "lost" else "should not have"
            found.append(Fault(stage.name, shard, f"{stage.name} shard {shard:05d} {what} "
                               f"{len(keys)} samples it {ought}: {min(keys)} ..."))  # fmt: skip
    return found
