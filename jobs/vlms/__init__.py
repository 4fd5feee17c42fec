"""Vision-language models: they name objects, write edit prompts and score pictures.

One file each, with a CARD and a load(), as for the editors. Answers are values; one that cannot be
read is `Unparsable` and becomes a reject, never a default.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobs import faults
from pipeline.config import Config
from pipeline.documents import EditType, Objects, Prompt, Region, Score
from pipeline.records import ToPropose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Letters of an unreadable reply that are kept in a manifest.
KEPT = 200


@dataclass(frozen=True, slots=True)
class Unparsable:
    """No valid answer could be had; these are the replies, in the order they came."""

    replies: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        """The replies in printable ASCII, each shortened, for a manifest."""
        return "; ".join(ascii(reply[:KEPT]) for reply in self.replies)


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture, the region to edit and what kind of edit is wanted. `seed` draws the wording."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    region: Region
    edit: EditType
    seed: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A finished picture and the pixels that were edited: none in an unedited one."""

    image: NDArray[np.uint8]
    edited: NDArray[np.bool_]


class Vlm(Protocol):
    """All calls are batched, and pure in what they are given."""

    @property
    def model(self) -> str:
        """The digest of the weights and of the questions put to them, "" for rules."""
        ...

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | Unparsable]: ...

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | Unparsable]: ...

    def score(self, items: Sequence[Judged]) -> list[Score | Unparsable]: ...


class Module(Protocol):
    """The shape of a model's file."""

    def load(self, config: Config) -> Vlm: ...


def load(config: Config) -> Vlm:
    """The config's model, loaded."""
    module: Module = importlib.import_module(f"jobs.vlms.{config.vlm}")
    with faults.loading():
        return module.load(config)
