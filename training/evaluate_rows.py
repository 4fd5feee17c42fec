"""One row of scores, with what must be said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.documents import Figure, Metrics, Task
from training.conditions import Condition, condition
from training.sets import NO_CROP, Set

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.config import ProtocolName
    from pipeline.documents import Curve


def row(
    protocol: ProtocolName, curve: Curve, one: Set, task: Task, figures: Mapping[str, Figure], *,
    iou: Mapping[str, float | None] | None = None, matrix: NDArray[np.int64] | None = None,
    stored: int = 0, samples: int | None = None, notes: tuple[str, ...] = (),
) -> Metrics:  # fmt: skip
    """`stored` is the side of the stored pictures, px; 0 = of no concern."""
    how, count = shown(one), len(one.keys) if samples is None else samples
    size = how.size(curve.size)
    empty = () if count or notes else ("val has no picture of this kind",)
    return Metrics(
        protocol=protocol, condition=one.name, detector=curve.detector, task=task,
        subset=curve.subset, split="val", size=size,
        samples=count, figures=dict(figures),
        iou=dict(iou or {}),
        confusion=() if matrix is None else tuple(tuple(int(n) for n in line) for line in matrix),
        notes=(*_about(how, size, stored), *one.notes, *notes, *empty),
    )  # fmt: skip


def shown(one: Set) -> Condition:
    """What is done to the pictures of a set before a detector sees them."""
    return condition("clean" if one.condition == NO_CROP else one.condition)


def _about(how: Condition, size: int, stored: int) -> list[str]:
    found = []
    if how.kind == "resize":
        found.append(f"the input size is {size} px, from the stored picture, and so is the scores'")
        if stored and size > stored:
            found.append(f"stored pictures are of {stored} px: they are enlarged")
    elif how.stored:
        found.append("distorted as stored, before it is brought to the network's input size")
    elif how.kind != "clean":
        found.append("distorted at the network's input size")
    return found
