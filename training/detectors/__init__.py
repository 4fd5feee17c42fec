"""Detectors by name: a new one is a new module here and one entry under `detectors:` in a profile.

A module has `build(classes, encoder, pretrained)`. It returns a torch module from (B, 3, S, S)
float32, normalised as ImageNet is, to logits (B, classes, S, S); its part that may come pretrained
is `.encoder`. Importing the module is cheap: torch is imported inside `build`.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import torch


def build(name: str, classes: int, encoder: str, pretrained: bool) -> torch.nn.Module:
    """The detector `name`; a `ConfigError` says which module was expected."""
    module = f"training.detectors.{name}"
    if not name.isidentifier() or find_spec(module) is None:
        raise ConfigError(f"no detector {name!r}: expected a module {module}")
    made = importlib.import_module(module).build(classes, encoder, pretrained)
    return cast("torch.nn.Module", made)
