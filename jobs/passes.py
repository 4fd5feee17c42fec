"""What a turn does to a batch of samples, whoever asks for it: its passes, then its gates.

Not one pixel outside the mask changes (unless the config asks for full regeneration).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs import faults
from jobs.editors import Editor, Painted, gates
from pipeline.config import Editing
from pipeline.records import Edited, Reject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Asked:
    """Repaint `mask`, (H, W) bool, of `image`, (H, W, 3) uint8: a pass for each of `prompts`, with
    a seed of its own."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it: `changed` is the share of the mask's pixels that did, `area` the mask's
    share of the picture. `notes`: see `documents.Edit`."""

    image: NDArray[np.uint8]
    changed: float
    area: float
    notes: tuple[str, ...]


class Draft:
    """One sample on its way through the passes of a turn: its picture so far, or its fault."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.image, self.notes = asked, asked.image, tuple[str, ...]()
        self.fault: Reject[Edited] | None = None if asked.mask.any() else Reject("empty-mask")

    def take(self, made: Painted, paste: bool) -> None:
        """What a pass made of it; `paste` puts the picture back outside the mask."""
        before, mask = self.asked.image, self.asked.mask
        self.notes += made.notes
        after = gates.made(made, len(before))
        if isinstance(after, Reject):
            self.fault = after
        else:
            self.image = after
            if paste:
                self.image = before.copy()
                self.image[mask] = after[mask]


def paint(painter: Editor, how: Editing, batch: Sequence[Asked]) -> list[Done | Reject[Edited]]:
    """All passes of a turn over `batch`: an answer a sample, in order. `how` says whether pictures
    are pasted back, and how much must change."""
    drafts = [Draft(asked) for asked in batch]
    for step in range(max((len(asked.prompts) for asked in batch), default=0)):
        todo = [draft for draft in drafts
                if draft.fault is None and step < len(draft.asked.prompts)]  # fmt: skip
        for draft, made in zip(todo, _pass(painter, todo, step), strict=True):
            draft.take(made, how.composite == "paste")
    return [_judged(draft, how) for draft in drafts]


def _pass(painter: Editor, todo: Sequence[Draft], step: int) -> list[Painted]:
    def run(rows: range) -> list[Painted]:
        mine = [todo[row] for row in rows]
        return painter.inpaint(
            [draft.image for draft in mine],
            [draft.asked.mask for draft in mine],
            [draft.asked.prompts[step] for draft in mine],
            [draft.asked.seeds[step] for draft in mine],
        )

    return faults.in_halves(run, len(todo))


def _judged(draft: Draft, how: Editing) -> Done | Reject[Edited]:
    """The picture with what is known of it, or the reason why this turn does not count."""
    if draft.fault:
        return draft.fault
    before, mask = draft.asked.image, draft.asked.mask
    apart = gates.moved(before, draft.image)
    least, paste = how.min_changed, how.composite == "paste"
    if fault := gates.edited(apart, mask, draft.image, least=least, paste=paste):
        return fault
    changed = float(apart[mask].astype(bool).mean())
    return Done(draft.image, changed, float(mask.mean()), draft.notes)
