"""The whole run on one page.

A stage writes the dataset that bears its name; order is derived from what each stage reads. Layers
are listed lowest first: where two datasets have the same field of a sample, the later one is seen.
"""

from __future__ import annotations

import dataclasses
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec

from pipeline import codecs, records
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

    bases = ["ingest"]
    for family in families if config.bases.ai_share else ():
        stages.append(
            Stage(
                f"generate-{family}",
                "jobs.generate",
                ("--family", family),
                ("ingest",),
                records.FromSource,
                records.Generated,
                image=cards[family].image,
                gpu_gib=gib(cards[family]),
            )
        )
        bases.append(f"generate-{family}")

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
        edits = [f"edit-{turn}-{family}" for family in families]
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
    stages.append(Stage("index", "jobs.index", (), (*splits,), None, records.Indexed, scope="run"))

    evaluations: dict[tuple[str, str], str] = {}
    for name, detector in config.detectors.items():
        for task in detector.tasks:
            who = ("--detector", name, "--task", task)
            train, evaluate = f"train-{name}-{task}", f"evaluate-{name}-{task}"
            stages += [
                Stage(train, "training.train", who, ("assemble-train", "index"), records.ToTrain,
                      records.Trained, image="train", scope="run", processes=detector.processes,
                      gpu_gib=0 if detector.device == "cpu" else 24, trained=((name, task),)),
                Stage(evaluate, "training.evaluate", who, ("assemble-val", train),
                      records.ToEvaluate, records.Evaluated, image="train", scope="run",
                      gpu_gib=0 if detector.device == "cpu" else 24, trained=((name, task),)),
            ]  # fmt: skip
            evaluations[name, task] = evaluate
    stages.append(
        Stage(
            "report",
            "training.report",
            (),
            (*splits, "index", *evaluations.values()),
            records.ToReport,
            records.Reported,
            image="train",
            scope="run",
            trained=tuple(evaluations),
        )
    )
    return tuple(stages)


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
