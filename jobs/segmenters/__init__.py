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

#: (left, top, right, bottom) in pixels, not rounded.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """One mask, (H, W) bool, of one named object. Where the model gives them: the detector's
    `score` and `box`, and the IoU that the mask's own model predicts for it, all scores 0 to 1."""

    thing: NamedObject
    mask: NDArray[np.bool_]
    score: float | None = None
    box: Box | None = None
    predicted_iou: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one picture, in the order of its objects; `notes` say which objects could
    not be asked for as they are named."""

    found: list[Found]
    notes: tuple[str, ...] = ()


class Segmenter(Protocol):
    @property
    def model(self) -> str:
        """The digest of the weights, "" without any."""
        ...

    def segment(self, items: Sequence[ToSegment]) -> list[Seen]:
        """One answer for each picture."""
        ...


class Module(Protocol):
    """The shape of a segmenter's file."""

    def load(self, config: Config) -> Segmenter: ...
