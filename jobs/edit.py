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

from jobs.editors import Editor
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
        painted: dict[int, NDArray[np.uint8] | None] = {
            i: item.image
            for i, (item, mask) in enumerate(zip(batch, masks, strict=True))
            if mask.any()
        }
        for step in range(max((len(item.prompt.texts) for item in batch), default=0)):
            todo = [i for i, item in enumerate(batch)
                    if painted.get(i) is not None and step < len(item.prompt.texts)]  # fmt: skip
            if not todo:
                break
            results = self.painter.inpaint(
                [painted[i] for i in todo],  # type: ignore[misc]  # None was left out above
                [masks[i] for i in todo],
                [batch[i].prompt.texts[step] for i in todo],
                [self._seed(batch[i].key, step) for i in todo],
            )
            for i, result in zip(todo, results, strict=True):
                painted[i] = (
                    None if result is None else self._composite(batch[i].image, masks[i], result)
                )
        return [self._gate(item, masks[i], painted.get(i)) for i, item in enumerate(batch)]

    def _seed(self, key: str, step: int) -> int:
        return seed(self.config.seed, key, self.turn, self.family, f"latents-{step}", 0)

    def _composite(
        self, before: NDArray[np.uint8], mask: NDArray[np.bool_], after: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        import numpy as np

        if self.config.editing.composite == "full":
            return after
        return np.where(mask[..., None], after, before)

    def _gate(
        self, item: ToEdit, mask: NDArray[np.bool_], after: NDArray[np.uint8] | None
    ) -> Edited | Reject[Edited]:
        """The picture with its record, or the reason why this turn does not count."""
        if not mask.any():
            return Reject("empty-mask")
        if after is None:
            return Reject("nan-latents")
        inside = after[mask]
        if len(inside) > 1 and (inside == inside[0]).all():
            return Reject("constant-image", f"all {len(inside)} edited pixels are alike")
        changed = float((inside != item.image[mask]).any(axis=-1).mean())
        if changed < self.config.editing.min_changed:
            return Reject("noop-edit", f"{changed:.1%} of the mask changed")
        history = item.history.edits if item.history else ()
        return Edited(after, History(edits=(*history, self._edit(item, mask, changed))))

    def _edit(self, item: ToEdit, mask: NDArray[np.bool_], changed: float) -> Edit:
        step = item.plan.turns[self.turn - 1]
        passes = range(len(item.prompt.texts))
        return Edit(
            turn=self.turn, region=step.region, family=self.family, edit=step.edit,
            label=self.config.families[self.family], prompts=item.prompt.texts,
            seeds=tuple(self._seed(item.key, i) for i in passes), steps=self.steps,
            guidance=self.guidance, composite=self.config.editing.composite,
            changed=changed, area=float(mask.mean()), model=self.model,
        )  # fmt: skip


def job(config: Config, family: str, turn: int) -> Job[ToEdit, Edited]:
    def load() -> tuple[Transform[ToEdit, Edited], str]:
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
