"""Detectors by name: a new one is a new file here and an entry under `detectors:` in a profile.

A detector's file has a `CARD`, `TASKS`, `RECIPES` and `build(classes, encoder, weights)`. It is
cheap to import: torch is imported inside `build`, and a network that needs a class of its own has
it in a file that begins with an underscore.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from pipeline.cards import Card
from pipeline.documents import Task
from pipeline.errors import ConfigError
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch


class Module(Protocol):
    """The shape of a detector's file."""

    CARD: Card
    TASKS: tuple[Task, ...]
    RECIPES: Mapping[str, Recipe]

    def build(self, classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
        """A network whose part that may come pretrained is `.encoder`, from the hub-layout folder
        `weights` or drawn at random (None).

        Tasks "binary" and "semantic": (B, 3, S, S) float32, normalised as the recipe says ->
        logits (B, classes, S, S); S is a multiple of 16. Task "image": -> logit (B, 1) that the
        picture is edited, and `classes` does not matter. Parameters that never learn have
        `requires_grad` False. ConfigError: an encoder or a folder that cannot be used."""
        ...


def module(name: str) -> Module:
    """A detector's file; a ConfigError says which module was expected."""
    path = f"{__name__}.{name}"
    if not name.isidentifier() or name.startswith("_") or find_spec(path) is None:
        raise ConfigError(f"no detector {name!r}: expected a module {path}")
    return cast("Module", importlib.import_module(path))


def build(name: str, classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """The detector `name`, as its file builds it."""
    return module(name).build(classes, encoder, weights)
