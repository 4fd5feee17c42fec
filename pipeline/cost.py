"""What a run took: seconds of devices and, with prices in the config, money, by family and stage.

in    the manifests of a run, complete or not
out   a `Cost`; `palimpsest cost RUN` prints it, the report has a section on it

cost_read.py    what is read of a manifest
fates.py        what became of a shard's samples
cost_lines.py   how shards add up
cost_text.py    the tables; cost_said.py the sentences

A stage holds its devices (`Stage.holds`) from its start at a shard to the commit, and a shard's
seconds are shared equally by the samples that came in. What became of those samples says how much
went into pictures that were kept, filtered or quarantined. An attempt that was killed has no
manifest: of its seconds only those are known whose batches a later attempt took over.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from pipeline import reading
from pipeline.config import Config
from pipeline.cost_lines import Device, Held, Line, Tally
from pipeline.cost_read import Account, read
from pipeline.dag import dag
from pipeline.documents import Doc
from pipeline.fates import DOORS, FATES, Fate, fates
from pipeline.shards import RunFolder
from pipeline.stage import Stage, read_run

#: What is no family's.
OTHERS = "others"
#: Bytes of manifests that are read in a second or so; a bar is for more.
WORTH_A_BAR = 64 << 20
DEVICES: tuple[Device, ...] = ("gpu", "cpu")


class Cost(Doc):
    """`stages`, `families` and `totals` (one a device) cut the same seconds of making samples three
    ways. `apart` is what serves no one sample: photographs that nobody edits, painting again for
    table 4, training, scores, the report. `gpus` are the seconds of GPUs by their names."""

    run: str
    profile: str
    currency: str
    prices: dict[Device, float | None]
    planned: int
    samples: dict[Fate, int]
    stages: tuple[Line, ...]
    families: tuple[Line, ...]
    totals: tuple[Line, ...]
    apart: tuple[Held, ...]
    gpus: dict[str, float]

    @property
    def shards(self) -> tuple[int, int]:
        """Of all stages: those that are committed, and those that there are to be."""
        lines = (*self.stages, *self.apart)
        return sum(one.shards for one in lines), sum(one.planned for one in lines)

    @property
    def priced(self) -> bool:
        return any(price is not None for price in self.prices.values())


def reckon(
    run: RunFolder, config: Config, without: Collection[str] = (),
    told: Callable[[int], None] = lambda size: None,
) -> Cost:  # fmt: skip
    """The cost of all stages but those in `without`. Goes shard by shard and keeps nothing of one
    but its sums; `told` hears of the bytes of manifests that were read. Raises `CorruptData`."""
    stages = [stage for stage in dag(config) if stage.name not in without]
    tallies = {stage.name: Tally.of(stage, config) for stage in stages}
    sampled = [stage for stage in stages if makes_samples(stage)]
    counts = Counter[Fate]()

    def add(stage: Stage, shard: int, fate: Mapping[str, Fate]) -> None:
        if account := here[stage.name]:
            tallies[stage.name].add(account, stage.holds[1], fate)

    for shard in range(config.shards):
        here = _shard(run, sampled, shard, told)
        left = {name: one.out for name in DOORS if (one := here.get(name))}
        known = fates(config.keys(shard), left)
        counts.update(known.values())
        for stage in sampled:
            add(stage, shard, known)
    for stage in (one for one in stages if one not in sampled):
        for shard in stage.shards(config):
            here = _shard(run, [stage], shard, told)
            add(stage, shard, {})
    return _cost(run, config, tallies, [stage.name for stage in sampled], counts)


def makes_samples(stage: Stage) -> bool:
    """Whether a stage is one of those that make the dataset's samples."""
    return (stage.scope, stage.of) == ("shard", "samples") and stage.module != "jobs.replay"


def _shard(
    run: RunFolder, stages: list[Stage], shard: int, told: Callable[[int], None]
) -> dict[str, Account | None]:
    found: dict[str, Account | None] = {}
    for stage in stages:
        found[stage.name], size = read(run, stage.name, shard)
        told(size)
    return found


def _cost(
    run: RunFolder, config: Config, tallies: dict[str, Tally], sampled: list[str],
    counts: Counter[Fate],
) -> Cost:  # fmt: skip
    prices, kept = config.prices, counts["kept"]
    families: dict[tuple[str, Device], Tally] = {}
    totals: dict[Device, Tally] = {}
    gpus: dict[str, float] = {}
    for name, tally in tallies.items():
        for gpu, seconds in tally.gpus.items():
            gpus[gpu] = gpus.get(gpu, 0.0) + seconds
        if name in sampled:
            who = tally.family, tally.device
            families.setdefault(who, Tally(tally.device, tally.family)).fold(tally)
            totals.setdefault(tally.device, Tally(tally.device)).fold(tally)
    order = [*config.families, ""]
    return Cost(
        run=str(run.path), profile=config.profile, planned=config.samples,
        currency=prices.currency, prices={"gpu": prices.gpu_hour, "cpu": prices.cpu_hour},
        samples={fate: counts[fate] for fate in FATES},
        stages=tuple(tallies[name].line(name, kept, prices) for name in sampled),
        families=tuple(
            families[who].line(who[0] or OTHERS, kept, prices)
            for who in sorted(families, key=lambda who: (order.index(who[0]), who[1] == "cpu"))),
        totals=tuple(totals[on].line("all", kept, prices) for on in DEVICES if on in totals),
        apart=tuple(tally.held(name, prices) for name, tally in tallies.items()
                    if name not in sampled),
        gpus={name: round(seconds, 6) for name, seconds in sorted(gpus.items())},
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """`palimpsest cost RUN [--json]`."""
    from pipeline import cost_text

    config, run = read_run(args.run), RunFolder(args.run)
    with reading.bar(reading.stored(run, "json"), WORTH_A_BAR) as told:
        found = reckon(run, config, told=told)
    print(found.model_dump_json(indent=2) if args.json else cost_text.as_text(found))
    return 0
