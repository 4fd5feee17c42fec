"""What the DAG must know about a model without loading it.

A family is a module with a `CARD` and a `load()`; it is found by its name, so a new one is a new
file and one line in the profile: no registry, no base class. Importing a family's module is cheap
by contract (heavy imports sit inside `load()`), and tests hold it.
"""

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from pipeline.errors import ConfigError

Role = Literal["editors", "vlms", "segmenters"]


@dataclass(frozen=True, slots=True)
class Card:
    """Facts about one model, for the DAG, the docs and the dataset card.

    `image` is the folder under images/ whose dependency set runs it. `gpu_gib` is the device
    memory that it needs at the paper's size, 0 for CPU only. `repos` are the hub ids whose folders
    `load()` expects below the weights folder.
    """

    title: str
    image: str
    gpu_gib: int = 0
    repos: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    gated: bool = False
    size_multiple: int = 8
    native_size: int | None = None
    steps: int = 50
    guidance: float = 7.5
    note: str = ""


def card(role: Role, name: str) -> Card:
    """The card of one model; a `ConfigError` says which module was expected."""
    module = f"jobs.{role}.{name}"
    if not name.isidentifier() or find_spec(module) is None:
        raise ConfigError(f"no {role[:-1]} family {name!r}: expected a module {module}")
    found = getattr(importlib.import_module(module), "CARD", None)
    if not isinstance(found, Card):
        raise ConfigError(f"{module} has no CARD: see docs/adding-a-model.md")
    return found
