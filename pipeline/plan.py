"""`palimpsest plan`: the hours, GPUs and disk of a run, before it is submitted."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import config as configs
from pipeline import plan_closing, plan_cuts, plan_figures, plan_text
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.devices import Gpu, parse
from pipeline.errors import OK, ConfigError
from pipeline.estimate import Work, check, works
from pipeline.estimate_counts import KEPT, planned
from pipeline.estimate_like import Pilot, pilot
from pipeline.plan_cuts import Cut, Limits
from pipeline.stage import Stage


@dataclass(frozen=True)
class Plan:
    """`best` is the cut to submit, of the whole run; `free` the one for workflows of any size, and
    `naive` one pod a family. `paint` has the same three of the painting alone: all up to the score.
    A profile whose stages hold no GPU has `gpu` None, `count` CPUs instead, and `best` alone.
    `resized`: whether the profile has another number of samples."""

    config: Config
    works: tuple[Work, ...]
    gpu: Gpu | None
    count: int
    kept: float
    best: Cut
    limits: Limits | None = None
    free: Cut | None = None
    naive: Cut | None = None
    paint: tuple[Cut, Cut, Cut] | None = None
    like: Pilot | None = None
    resized: bool = False


def main(args: argparse.Namespace) -> int:
    count, gpu = parse(args.gpus)
    found = made(configs.load(args.profile), args.images, count, gpu, args.like)
    if args.json:
        said = plan_figures.as_json(found, plan_closing.commands(found))
        print(json.dumps(said, indent=2))
    else:
        print(plan_text.text(found))
    return OK


def made(
    config: Config, images: int | None, count: int, gpu: Gpu, like: Path | None = None
) -> Plan:
    """The plan of a config for so many pictures kept, None = as many samples as it says. Errors as
    of `estimate.works` and `estimate_like.pilot`."""
    known = pilot(like, gpu) if like else None
    kept = 1.0 if config.imported else KEPT
    if known and known.kept and known.config.vlm == config.vlm:
        kept = known.kept
    before = config.samples
    if images is not None:
        config = sized(config, images, kept)
    stages = checked(config)
    done = tuple(works(stages, config, gpu, kept))
    if known:
        done = tuple(known.applied(done))
    check(done)
    if not any(work.gpus for work in done):
        return replace(_on_cpus(config, done, kept, known), resized=config.samples != before)
    most = max(done, key=lambda work: work.gpus)
    if most.gpus > count:
        raise ConfigError(f"--gpus: {most.stage.name} wants {most.gpus} GPUs at once, there are "
                          f"{count}: give more, or lower its detector's processes")  # fmt: skip
    limits = plan_cuts.limits(config, stages)
    first = [work for work in done if work.stage.name in painting(stages)]
    free = plan_cuts.best(first or done, config, count)
    best = plan_cuts.submittable(done, config, count, limits)
    plan = Plan(config, done, gpu, count, kept, best, limits,
                plan_cuts.at(done, config, count, free.parts),
                plan_cuts.naive(done, config, count), like=known,
                resized=config.samples != before)  # fmt: skip
    if not first:
        return plan
    mine = plan_cuts.submitted(first, config, count, limits, best.parts)
    return replace(plan, paint=(mine, free, plan_cuts.naive(first, config, count)))


def sized(config: Config, images: int, kept: float) -> Config:
    """The same config for so many pictures kept. A ConfigError for fewer than one, or too many."""
    if images < 1:
        raise ConfigError(f"--images {images}: give how many pictures are to be kept")
    samples = planned(images, kept)
    if samples + config.reals.total > 10**8:
        raise ConfigError(f"--images {images}: at a share of {kept:.2f} kept that is {samples:,} "
                          "samples, and keys have eight digits: plan several runs")  # fmt: skip
    return config.model_copy(update={"samples": samples})


def painting(stages: Sequence[Stage]) -> set[str]:
    """The stages without which no picture could be scored; none of a dataset that is imported."""
    by_name = {stage.name: stage for stage in stages}
    wanted, todo = set[str](), ["score"] if "score" in by_name else []
    while todo:
        if (name := todo.pop()) not in wanted:
            wanted.add(name)
            todo += by_name[name].reads
    return wanted


def _on_cpus(config: Config, done: Sequence[Work], kept: float, known: Pilot | None) -> Plan:
    """As the local executor runs it: so many workers, each stage holding one for each process."""
    workers = config.local.workers or os.cpu_count() or 1
    held = tuple(replace(work, gpus=work.stage.holds[1]) for work in done)
    parts = min(config.local.partitions, config.shards)
    best = plan_cuts.at(held, config, workers, parts)
    return Plan(config, held, None, workers, kept, best, like=known)
