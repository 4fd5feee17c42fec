"""One turn by one family: repaint the region, then paste back (paper 3.1, stage 2).

    in    image.png (the last good one), masks.png, plan.json, prompt.json, history.json
    out   image.png, history.json with one more edit
    run   python -m jobs.edit --family sdxl --turn 1 --partition 0/4 --run runs/demo

A turn that fails its gates is rejected; the chain goes on from the last good picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs import faults
from jobs.editors import Editor, Settings
from jobs.passes import Asked, Done, paint
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


class Turn:
    """One family at one turn, loaded. Called with a batch, it is the stage's pure function."""

    def __init__(self, config: Config, family: str, turn: int, painter: Editor, model: str) -> None:
        self.config, self.family, self.turn = config, family, turn
        self.painter, self.model = painter, model
        facts, how = card("editors", family), config.editing
        wished = Settings(steps=how.steps, guidance=how.guidance)
        self.steps, self.guidance = wished.pace(facts), wished.scale(facts)

    def __call__(self, batch: Sequence[ToEdit]) -> list[Edited | Reject[Edited]]:
        asked = [self._asked(item) for item in batch]
        found = paint(self.painter, self.config.editing, asked)
        return [
            one if isinstance(one, Reject) else self._edited(item, ask, one)
            for item, ask, one in zip(batch, asked, found, strict=True)
        ]

    def _asked(self, item: ToEdit) -> Asked:
        mask = item.masks[item.plan.turns[self.turn - 1].region]
        texts = item.prompt.texts
        seeds = tuple(self._seed(item.key, step) for step in range(len(texts)))
        return Asked(item.image, mask, texts, seeds)

    def _seed(self, key: str, step: int) -> int:
        return seed(self.config.seed, key, self.turn, self.family, f"latents-{step}", 0)

    def _edited(self, item: ToEdit, asked: Asked, done: Done) -> Edited:
        step = item.plan.turns[self.turn - 1]
        edit = Edit(
            turn=self.turn, region=step.region, family=self.family, edit=step.edit,
            label=self.config.families[self.family], prompts=asked.prompts, seeds=asked.seeds,
            steps=self.steps, guidance=self.guidance, composite=self.config.editing.composite,
            changed=done.changed, area=done.area, model=self.model, notes=done.notes,
        )  # fmt: skip
        history = item.history.edits if item.history else ()
        return Edited(done.image, History(edits=(*history, edit)))


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
