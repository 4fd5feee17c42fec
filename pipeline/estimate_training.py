"""What it takes to train a detector by its recipe, and to score it by a protocol."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pipeline import protocols
from pipeline.cards import card, module
from pipeline.config import Config, Detector
from pipeline.stage import Stage

#: The cards' figures are of one picture of this side, trained. Forward alone is a third of it.
SIDE, FORWARD = 512, 1 / 3
#: Of the pictures to train with, those that the best step is picked by.
DEV = 0.05
#: Seconds of a picture to train with: no process is faster, whatever a GPU can compute, since it
#: waits for its memory or for batches. Reckoned.
FED = 1 / 700
#: Seconds until a picture to be scored is decoded, distorted and counted, on eight CPUs. While a
#: detector is scored it waits for them more often than they for it.
HANDLED = 0.06 / 8
#: How often a protocol looks at the val split, where no list of conditions says it: by whole sets
#: and by those of the hold-outs, which are parts of it.
PASSES = {"table2": 1.0, "table4": 2.0, "table5": 1.0, "table6": 1.0, "table7": 1.0,
          "classifiers": 1.0, "turns": 1.0}  # fmt: skip


def trained(stage: Stage, config: Config, kept: float) -> tuple[float, float, Detector, float]:
    """Of a stage that trains or scores: how many pictures, the PFLOP of each, the detector's
    section, and the seconds below which none can be had."""
    given = stage.given
    name = given["--detector"]
    section, facts = config.detectors[name], card("detectors", name)
    recipe = _recipe(name, section)
    side = recipe.crop or section.size
    pflop = facts.pflop * (side / SIDE) ** 2
    if protocol := given.get("--protocol"):
        number = _passes(protocol, section.size) * _pictures(config, protocol, kept)
        return number, pflop * FORWARD, section, HANDLED
    held = config.samples * kept * (1 - config.val_share) + config.reals.unedited
    if given["--task"] == "image":
        held += config.reals.negatives * (1 - config.val_share)
    checks = -(-recipe.steps // recipe.validate_every)
    number = recipe.steps * recipe.batch + checks * held * DEV * FORWARD
    return number, pflop, section, FED / section.processes


def _recipe(name: str, section: Detector) -> Any:
    """As training resolves it; read without torch."""
    found: Any = import_module(module("detectors", name))
    return import_module("training.recipes").resolve(name, section, found.RECIPES)


def _pictures(config: Config, protocol: str, kept: float) -> float:
    """Of the val split, with the photographs beside it where the protocol asks for them."""
    val = config.samples * kept * config.val_share
    asks = protocols.PROTOCOLS[protocol].reals  # type: ignore[index]
    return val + config.reals.negatives * config.val_share * asks


def _passes(protocol: str, size: int) -> float:
    """How often it looks at each, a larger picture counted by its area."""
    if protocol in PASSES:
        return PASSES[protocol]
    known: Any = import_module("training.conditions")
    names = {"table3": (*known.TABLE3, *known.STORED), "severity": known.SEVERITY}[protocol]
    return float(sum((known.condition(name).size(size) / size) ** 2 for name in names))
