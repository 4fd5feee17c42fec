"""One turn by one family: repaint the region, then paste back (paper 3.1, stage 2).

    in    image.png (the last good one), masks.png, plan.json, prompt.json, history.json
    out   image.png, history.json with one more edit
    run   python -m jobs.edit --family sdxl --turn 1 --partition 0/4 --run runs/demo

Not one pixel outside the mask changes (unless the config asks for full regeneration, which is
recorded). A turn that fails its gates is rejected; the chain goes on from the last good picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.editors import Editor, Painted, faults, gates
from jobs.weights import editor
from pipeline.cards import card
from pipeline.config import Config
from pipeline.documents import Edit, History, Plan
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Edited, Reject, ToEdit
from pipeline.seeds import seed
from pipeline.shards import Row
from pipeline.stage import Job, Transform, context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Draft:
    """One sample on its way through the passes of a turn: its picture so far, or its fault."""

    def __init__(self, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        self.image, self.mask, self.notes = image, mask, tuple[str, ...]()
        self.fault: Reject[Edited] | None = None if mask.any() else Reject("empty-mask")

    def take(self, made: Painted, base: NDArray[np.uint8], paste: bool) -> None:
        """What a pass made of it; `paste` puts `base` back outside the mask."""
        self.notes += made.notes
        after = gates.made(made, len(base))
        if isinstance(after, Reject):
            self.fault = after
        else:
            self.image = after
            if paste:
                self.image = base.copy()
                self.image[self.mask] = after[self.mask]


class Turn:
    """One family at one turn, loaded. Called with a batch, it is the stage's pure function."""

    def __init__(self, config: Config, family: str, turn: int, painter: Editor, model: str) -> None:
        self.config, self.family, self.turn = config, family, turn
        self.painter, self.model = painter, model
        facts = card("editors", family)
        self.steps = config.editing.steps or facts.steps
        self.guidance = (
            facts.guidance if config.editing.guidance is None else config.editing.guidance
        )

    def __call__(self, batch: Sequence[ToEdit]) -> list[Edited | Reject[Edited]]:
        masks = [item.masks[item.plan.turns[self.turn - 1].region] for item in batch]
        drafts = [Draft(item.image, mask) for item, mask in zip(batch, masks, strict=True)]
        for step in range(max((len(item.prompt.texts) for item in batch), default=0)):
            todo = [i for i, item in enumerate(batch)
                    if drafts[i].fault is None and step < len(item.prompt.texts)]  # fmt: skip
            for i, made in zip(todo, self._paint(batch, drafts, todo, step), strict=True):
                drafts[i].take(made, batch[i].image, self.config.editing.composite == "paste")
        return [self._gate(item, draft) for item, draft in zip(batch, drafts, strict=True)]

    def _paint(
        self, batch: Sequence[ToEdit], drafts: Sequence[Draft], todo: Sequence[int], step: int
    ) -> list[Painted]:
        """One pass over the samples `todo` of the batch."""

        def run(rows: range) -> list[Painted]:
            mine = [todo[row] for row in rows]
            return self.painter.inpaint(
                [drafts[i].image for i in mine],
                [drafts[i].mask for i in mine],
                [batch[i].prompt.texts[step] for i in mine],
                [self._seed(batch[i].key, step) for i in mine],
            )

        return faults.in_halves(run, len(todo))

    def _seed(self, key: str, step: int) -> int:
        return seed(self.config.seed, key, self.turn, self.family, f"latents-{step}", 0)

    def _gate(self, item: ToEdit, draft: Draft) -> Edited | Reject[Edited]:
        """The picture with its record, or the reason why this turn does not count."""
        how = self.config.editing
        paste = how.composite == "paste"
        if draft.fault:
            return draft.fault
        apart = gates.moved(item.image, draft.image)
        least = how.min_changed
        if fault := gates.edited(apart, draft.mask, draft.image, least=least, paste=paste):
            return fault
        changed = float(apart[draft.mask].astype(bool).mean())
        history = item.history.edits if item.history else ()
        return Edited(draft.image, History(edits=(*history, self._edit(item, draft, changed))))

    def _edit(self, item: ToEdit, draft: Draft, changed: float) -> Edit:
        step = item.plan.turns[self.turn - 1]
        passes = range(len(item.prompt.texts))
        return Edit(
            turn=self.turn, region=step.region, family=self.family, edit=step.edit,
            label=self.config.families[self.family], prompts=item.prompt.texts,
            seeds=tuple(self._seed(item.key, i) for i in passes), steps=self.steps,
            guidance=self.guidance, composite=self.config.editing.composite,
            changed=changed, area=float(draft.mask.mean()), model=self.model,
            notes=draft.notes,
        )  # fmt: skip


def job(config: Config, family: str, turn: int) -> Job[ToEdit, Edited]:
    def load() -> tuple[Transform[ToEdit, Edited], str]:
        with faults.loading():
            painter, digest = editor(config, family)
        return Turn(config, family, turn, painter, digest), digest

    def mine(row: Row) -> bool:
        plan: Plan = row.get("plan", "Plan")
        return len(plan.turns) >= turn and plan.turns[turn - 1].family == family

    return Job(ToEdit, Edited, load, mine, config.editing.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.edit", argv)
    return work(here, job(here.config, here.args.family, here.args.turn))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
