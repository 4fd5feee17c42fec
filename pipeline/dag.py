"""The whole run on one page.

A stage writes the dataset that bears its name; order is derived from what each stage reads. Layers
are listed lowest first: where two datasets have the same field of a sample, the later one is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipeline import records
from pipeline.cards import Card, card, module
from pipeline.config import Config
from pipeline.dag_detectors import evaluate_stages, report_stage, train_stages
from pipeline.sound import check
from pipeline.stage import Stage

SPLITS = ("train", "val", "filtered")


def dag(config: Config) -> tuple[Stage, ...]:
    """All stages of a run, in an order in which they could run one after another."""
    bases, made, splits = imported_stages(config) if config.imported else painted_stages(config)
    reals = real_stages(config)
    index = Stage("index", "jobs.index", (), (*names(splits), *names(reals)), None,
                  records.Indexed, scope="run")  # fmt: skip
    replays = replay_stages(config, names(bases))
    trained = train_stages(config, names(reals))
    scored = evaluate_stages(config, names(bases), names(reals), names(replays))
    report = report_stage(config, [*names(splits), "index", *names(scored)])
    return (*bases, *reals, *made, *splits, *replays, index, *trained, *scored, report)


def imported_stages(config: Config) -> tuple[list[Stage], list[Stage], list[Stage]]:
    """The pairs of a published dataset, listed, then taken split by split: as `painted_stages`."""
    listed = Stage("ingest", "jobs.imported", (), (), None, records.Sourced)
    splits = [
        Stage(f"assemble-{split}", "jobs.imported", ("--split", split), ("ingest",),
              records.FromSource, records.Assembled) for split in SPLITS
    ]  # fmt: skip
    return [listed], [], splits


def painted_stages(config: Config) -> tuple[list[Stage], list[Stage], list[Stage]]:
    """The base pictures, all that is decided and painted, and the splits of the dataset."""
    bases = base_stages(config)
    layers = names(bases)
    proposed = modelled(config, "propose", "jobs.propose", card("vlms", config.vlm),
                        layers, records.ToPropose, records.Proposed)  # fmt: skip
    segmented = modelled(config, "segment", "jobs.segment", card("segmenters", config.segmenter),
                         [*layers, "propose"], records.ToSegment, records.Segmented)  # fmt: skip
    planned = Stage("plan", "jobs.plan", (), ("ingest", "segment"), records.ToPlan, records.Planned)
    layers += ["segment", "plan"]
    turns: list[Stage] = []
    for turn in range(1, max(config.turns) + 1):
        prompt, *edits = turn_stages(config, turn, layers)
        turns += [prompt, *edits]
        layers += names(edits)
    judged = [*names(bases), "propose", *layers[len(bases) :]]
    score = modelled(config, "score", "jobs.score", card("vlms", config.vlm),
                     judged, records.ToScore, records.Scored)  # fmt: skip
    splits = [
        Stage(f"assemble-{split}", "jobs.assemble", ("--split", split), (*layers, "score"),
              records.ToAssemble, records.Assembled) for split in SPLITS
    ]  # fmt: skip
    return bases, [proposed, segmented, planned, *turns, score], splits


def base_stages(config: Config) -> list[Stage]:
    """The photographs, and base pictures made by each family from a caption."""
    return [
        Stage("ingest", "jobs.ingest", (), (), None, records.Sourced),
        *(modelled(config, f"generate-{slug(family)}", "jobs.generate", card("editors", family),
                   ["ingest"], records.FromSource, records.Generated, "--family", family)
          for family in (config.families if config.bases.ai_share else ())),
    ]  # fmt: skip


def real_stages(config: Config) -> list[Stage]:
    """Photographs that nobody edits; their shards are their own."""
    if not config.reals.total:
        return []
    return [Stage("reals", "jobs.reals", (), (), None, records.Unedited, of="reals")]


def turn_stages(config: Config, turn: int, layers: list[str]) -> list[Stage]:
    """The prompts of a turn, then one edit stage a family; all look at the last good picture."""
    prompt = modelled(config, f"prompt-{turn}", "jobs.prompt", card("vlms", config.vlm),
                      layers, records.ToPrompt, records.Prompted, "--turn", str(turn))  # fmt: skip
    return [
        prompt,
        *(modelled(config, f"edit-{turn}-{slug(family)}", "jobs.edit", card("editors", family),
                   [*layers, prompt.name], records.ToEdit, records.Edited,
                   "--family", family, "--turn", str(turn))
          for family in config.families),
    ]  # fmt: skip


def replay_stages(config: Config, bases: list[str]) -> list[Stage]:
    """Finished val samples painted again from the first turn of one family on, by its stand-in: the
    same masks, prompts and seeds (paper, table 4). Later turns follow by those who painted them."""
    stages: list[Stage] = []
    for variant, replaced in config.replays.items():
        layers = ["assemble-val", *bases, "segment"]
        for turn in range(1, max(config.turns) + 1):
            later = [family for family in config.families if family != replaced]
            painted = [
                replace(
                    modelled(config, f"replay-{slug(variant)}-{turn}-{slug(painter)}",
                             "jobs.replay", card("editors", painter), layers, records.ToReplay,
                             records.Edited, "--variant", variant, "--turn", str(turn),
                             "--family", painter), keys_of_config=("replays",))
                for painter in [variant, *(later if turn > 1 else ())]
            ]  # fmt: skip
            layers += [f"edit-{turn}-{slug(family)}" for family in config.families]
            layers += names(painted)
            stages += painted
    return stages


def modelled(
    config: Config, name: str, job: str, model: Card, reads: Iterable[str], takes: type,
    gives: type, *args: str,
) -> Stage:  # fmt: skip
    """A stage that loads a model: its image, and its share of a GPU if there is to be one."""
    gib = 0 if config.editing.device == "cpu" else model.gpu_gib
    return Stage(name, job, args, (*reads,), takes, gives, image=model.image, gpu_gib=gib)


def names(stages: Iterable[Stage]) -> list[str]:
    return [stage.name for stage in stages]


def slug(name: str) -> str:
    """A module's name as part of a stage's, which is a DNS label."""
    return name.replace("_", "-")


def checked(config: Config) -> tuple[Stage, ...]:
    """The DAG of a config, after everything that can be known before a run has been checked."""
    for name in config.detectors:
        module("detectors", name)
    for family in config.families:  # an imported dataset's, too, has its licence in the index
        module("editors", family)
    return check(dag(config))
