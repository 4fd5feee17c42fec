"""Which model a stage works with, and how: what the first line of its log says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline import cards

if TYPE_CHECKING:
    from pipeline.cards import Role
    from pipeline.config import Config
    from pipeline.stage import Stage

    Said = tuple[str, dict[str, Any]]

#: Modules that ask a model which the config names; others are told a family, or have none.
ASKING: dict[str, Role] = {
    "jobs.propose": "vlms", "jobs.prompt": "vlms", "jobs.score": "vlms",
    "jobs.segment": "segmenters",
}  # fmt: skip


def uses(stage: Stage, config: Config) -> Said:
    """In words, a format of the facts; "" and none of a stage without a model. A stand-in without
    weights runs on the CPU, whatever the config says of the others."""
    given = stage.given
    if detector := given.get("--detector"):
        return _detector(detector, stage, config)
    role = ASKING.get(stage.module, "editors")
    name = {"vlms": config.vlm, "segmenters": config.segmenter, "editors": stage.family}[role]
    if not name:
        return "", {}
    if not cards.card(role, name).repos:
        return "with {uses}, which has no weights", {"uses": name}
    how = config.editing
    facts: dict[str, Any] = {"uses": name, "weights": how.weights, "device": how.device,
                             "dtype": how.dtype}  # fmt: skip
    said = "with {uses} ({weights} weights, {device}, {dtype}"
    if role == "segmenters":  # it has a batch of its own (jobs/segment.py)
        return said + ")", facts
    batch = config.asking.batch if role == "vlms" else how.batch
    return said + ", batch {batch})", {**facts, "batch": batch}


def _detector(name: str, stage: Stage, config: Config) -> Said:
    section = config.detectors[name]
    facts = {"uses": name, "device": section.device, "dtype": section.dtype}
    if stage.processes:
        return "with {uses} ({processes} processes, {device}, {dtype})", {
            **facts, "processes": stage.processes,
        }  # fmt: skip
    return "with {uses} ({device}, {dtype})", facts
