"""Vision-language models: they name objects, write edit prompts and score pictures.

One file each, with a CARD and a load(), as for the editors. Answers are values; None means that no
valid answer could be had, and becomes a reject (never a default).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.config import Config
from pipeline.documents import EditType, Objects, Prompt, Region, Score
from pipeline.records import ToPropose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    """A finished picture and the pixels that were edited."""

    image: NDArray[np.uint8]
    edited: NDArray[np.bool_]


class Vlm(Protocol):
    """All calls are batched."""

    def propose(self, items: Sequence[ToPropose]) -> list[Objects | None]: ...

    def prompt(self, items: Sequence[Wish]) -> list[Prompt | None]: ...

    def score(self, items: Sequence[Judged]) -> list[Score | None]: ...


class Module(Protocol):
    """The shape of a model's file."""

    def load(self, config: Config) -> Vlm: ...
