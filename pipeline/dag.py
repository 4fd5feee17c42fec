"""The whole run on one page.

A stage writes the dataset that bears its name; order is derived from what each stage reads. Layers
are listed lowest first: where two datasets have the same field of a sample, the later one is seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec

from pipeline import codecs, protocols, records
from pipeline.cards import Card, card, module
from pipeline.code import ROOT
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.stage import Stage


def dag(config: Config) -> tuple[Stage, ...]:
    """All stages of a run, in an order in which they could run one after another."""
    families = list(config.families)
    vlm, segmenter = card("vlms", config.vlm), card("segmenters", config.segmenter)
    cards = {family: card("editors", family) for family in families}

    def gib(model: Card) -> int:
        return 0 if config.editing.device == "cpu" else model.gpu_gib

    stages = [Stage("ingest", "jobs.ingest", (), (), None, records.Sourced)]
    if config.reals.total:
        stages.append(Stage("reals", "jobs.reals", (), (), None, records.Unedited, of="reals"))

    bases = ["ingest"]
    for family in families if config.bases.ai_share else ():
        stages.append(
            Stage(
                f"generate-{slug(family)}",
                "jobs.generate",
                ("--family", family),
                ("ingest",),
                records.FromSource,
                records.Generated,
                image=cards[family].image,
                gpu_gib=gib(cards[family]),
            )
        )
        bases.append(f"generate-{slug(family)}")

    stages += [
        Stage(
            "propose",
            "jobs.propose",
            (),
            (*bases,),
            records.ToPropose,
            records.Proposed,
            image=vlm.image,
            gpu_gib=gib(vlm),
        ),
        Stage(
            "segment",
            "jobs.segment",
            (),
            (*bases, "propose"),
            records.ToSegment,
            records.Segmented,
            image=segmenter.image,
            gpu_gib=gib(segmenter),
        ),
        Stage("plan", "jobs.plan", (), ("ingest", "segment"), records.ToPlan, records.Planned),
    ]

    layers = [*bases, "segment", "plan"]
    for turn in range(1, max(config.turns) + 1):
        prompt = f"prompt-{turn}"
        stages.append(
            Stage(
                prompt,
                "jobs.prompt",
                ("--turn", str(turn)),
                (*layers,),
                records.ToPrompt,
                records.Prompted,
                image=vlm.image,
                gpu_gib=gib(vlm),
            )
        )
        edits = [f"edit-{turn}-{slug(family)}" for family in families]
        for family, edit in zip(families, edits, strict=True):
            stages.append(
                Stage(
                    edit,
                    "jobs.edit",
                    ("--family", family, "--turn", str(turn)),
                    (*layers, prompt),
                    records.ToEdit,
                    records.Edited,
                    image=cards[family].image,
                    gpu_gib=gib(cards[family]),
                )
            )
        layers += edits

    stages.append(
        Stage(
            "score",
            "jobs.score",
            (),
            (*bases, "propose", *layers[len(bases) :]),
            records.ToScore,
            records.Scored,
            image=vlm.image,
            gpu_gib=gib(vlm),
        )
    )
    splits = ["assemble-train", "assemble-val", "assemble-filtered"]
    for split in splits:
        stages.append(
            Stage(
                split,
                "jobs.assemble",
                ("--split", split.removeprefix("assemble-")),
                (*layers, "score"),
                records.ToAssemble,
                records.Assembled,
            )
        )
    parts = [*splits, *(["reals"] if config.reals.total else [])]
    stages.append(Stage("index", "jobs.index", (), (*parts,), None, records.Indexed, scope="run"))

    replays = replay_stages(config, bases, gib)
    stages += replays

    evaluated: list[str] = []
    trained = tuple((trial.detector, trial.task) for trial in protocols.trials(config))
    pictures = ("reals",) if config.reals.total else ()
    for trial in protocols.trials(config):
        how, who = config.detectors[trial.detector], ((trial.detector, trial.task),)
        stages.append(
            Stage(f"train-{trial.name}", "training.train", trial.args,
                  ("assemble-train", *pictures, "index"), records.ToTrain, records.Trained,
                  image="train", scope="run", processes=how.processes,
                  gpu_gib=0 if how.device == "cpu" else 24, trained=who)
        )  # fmt: skip
    for name, found in protocols.evaluations(config).items():
        protocol = protocols.PROTOCOLS[name]
        also = [*(pictures if protocol.reals else ()),
                *(stage.name for stage in replays if protocol.replays)]  # fmt: skip
        for trial in found:
            how, who = config.detectors[trial.detector], ((trial.detector, trial.task),)
            stages.append(
                Stage(f"evaluate-{name}-{trial.name}", "training.evaluate",
                      ("--protocol", name, *trial.args),
                      ("assemble-val", *also, f"train-{trial.name}"),
                      records.ToEvaluate, records.Evaluated, image="train", scope="run",
                      gpu_gib=0 if how.device == "cpu" else 24, trained=who,
                      keys_of_config=("holdouts",) if protocol.subsets == "holdouts" else ())
            )  # fmt: skip
            evaluated.append(stages[-1].name)
    stages.append(
        Stage(
            "report",
            "training.report",
            (),
            (*splits, "index", *evaluated),
            records.ToReport,
            records.Reported,
            image="train",
            scope="run",
            trained=tuple(dict.fromkeys(trained)),
            keys_of_config=("protocols", "holdouts"),
        )
    )
    return tuple(stages)


def replay_stages(config: Config, bases: list[str], gib: Callable[[Card], int]) -> list[Stage]:
    """Finished val samples painted again from the first turn of one family on, by its stand-in: the
    same masks, prompts and seeds (paper, table 4). Later turns follow by those who painted them."""
    stages: list[Stage] = []
    for variant, replaced in config.replays.items():
        layers = ["assemble-val", *bases, "segment"]
        for turn in range(1, max(config.turns) + 1):
            later = [family for family in config.families if family != replaced]
            painters = [variant, *(later if turn > 1 else ())]
            names = [f"replay-{slug(variant)}-{turn}-{slug(painter)}" for painter in painters]
            for painter, name in zip(painters, names, strict=True):
                facts = card("editors", painter)
                stages.append(
                    Stage(name, "jobs.replay",
                          ("--variant", variant, "--turn", str(turn), "--family", painter),
                          (*layers,), records.ToReplay, records.Edited, image=facts.image,
                          gpu_gib=gib(facts))
                )  # fmt: skip
            layers += [f"edit-{turn}-{slug(family)}" for family in config.families] + names
    return stages


def slug(name: str) -> str:
    """A module's name as part of a stage's, which is a DNS label."""
    return name.replace("_", "-")


def checked(config: Config) -> tuple[Stage, ...]:
    """The DAG of a config, after everything that can be known before a run has been checked."""
    for name in config.detectors:
        module("detectors", name)
    return check(dag(config))


def check(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Raise a ConfigError for a name used twice, a module or image that does not exist, a dataset
    or a field that nobody writes, and a cycle; else return `stages`."""
    by_name = {stage.name: stage for stage in stages}
    if len(by_name) != len(stages):
        names = [stage.name for stage in stages]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"two stages bear the name {twice}")
    for stage in stages:
        _check(stage, by_name)
    try:
        TopologicalSorter({stage.name: stage.reads for stage in stages}).prepare()
    except CycleError as error:
        raise ConfigError(f"the DAG has a cycle: {' -> '.join(error.args[1])}") from error
    return stages


def _check(stage: Stage, by_name: dict[str, Stage]) -> None:
    if find_spec(stage.module) is None:
        raise ConfigError(f"stage {stage.name}: no module {stage.module}")
    if not (ROOT / "images" / stage.image).is_dir():
        raise ConfigError(f"stage {stage.name}: no folder images/{stage.image}")
    unknown = [name for name in stage.reads if name not in by_name]
    if unknown:
        raise ConfigError(f"stage {stage.name} reads {unknown[0]}, which no stage writes")
    written = {
        (column.name, str(column.type).removesuffix(" | None"))
        for name in stage.reads
        for column in dataclasses.fields(by_name[name].gives)
    }
    for field, (kind, optional) in codecs.columns(stage.takes).items() if stage.takes else ():
        if not optional and (field, kind) not in written:
            raise ConfigError(
                f"stage {stage.name} needs the field {field}: {kind}, which none of the datasets "
                f"it reads has: {', '.join(stage.reads)}"
            )
