"""Segmenters: from named objects to masks. One file each, with a CARD and a load()."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.config import Config
from pipeline.documents import NamedObject
from pipeline.records import ToSegment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Found:
    """One mask, (H, W) bool, of one named object; `score` 0 to 1 where the model gives one."""

    thing: NamedObject
    mask: NDArray[np.bool_]
    score: float | None = None


class Segmenter(Protocol):
    def segment(self, items: Sequence[ToSegment]) -> list[list[Found]]:
        """The masks of each picture's objects, in the order of the objects."""
        ...


class Module(Protocol):
    """The shape of a segmenter's file."""

    def load(self, config: Config) -> Segmenter: ...
