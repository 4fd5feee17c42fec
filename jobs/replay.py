"""Finished samples painted again from the first turn of one family on, by its stand-in (paper,
table 4: a fine-tuned SDXL), and then by those who painted the later turns.

    in    sample.json of the val split, masks.png; image.png and history.json from before the turn
    out   image.png, history.json with one more edit
    run   python -m jobs.replay --variant sdxl_lora --turn 2 --family flux --partition 0/4 \\
              --run runs/demo

Masks, prompts, seeds and labels are the stored ones, so that the label map stays what it is. The
variant paints as its card says, everyone else as it did. A turn that fails its gates is rejected,
but keeps a record, of the picture as it was: else the chain would go on from the original's edit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs import faults
from jobs.editors import Editor, at
from jobs.passes import Asked, Done, paint
from jobs.weights import editor
from pipeline.cards import card
from pipeline.config import Config
from pipeline.documents import Edit, History, Sample
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Edited, Reject, ToReplay
from pipeline.shards import Row
from pipeline.stage import Job, Transform, context

#: Denoising steps and guidance of an edit.
Pace = tuple[int, float]


class Replay:
    """One painter at one turn, loaded. Called with a batch, it is the stage's pure function."""

    def __init__(
        self, config: Config, variant: str, family: str, turn: int, painter: Editor, model: str
    ) -> None:
        self.config, self.family, self.turn = config, family, turn
        self.painter, self.model = painter, model
        facts = card("editors", family)
        self.pace: Pace | None = (facts.steps, facts.guidance) if family == variant else None

    def __call__(self, batch: Sequence[ToReplay]) -> list[Edited | Reject[Edited]]:
        edits = [self._again(item.sample) for item in batch]
        paces = [(edit.steps, edit.guidance) for edit in edits]
        found: dict[int, Done | Reject[Edited]] = {}
        for pace in dict.fromkeys(paces):  # one, unless a card was changed in the midst of the run
            rows = [i for i, one in enumerate(paces) if one == pace]
            asked = [_asked(batch[i], edits[i]) for i in rows]
            made = paint(at(self.painter, *pace), self.config.editing, asked)
            found |= zip(rows, made, strict=True)
        return [self._outcome(item, edits[i], found[i]) for i, item in enumerate(batch)]

    def _again(self, sample: Sample) -> Edit:
        """The stored edit of this turn, as it is to be painted now."""
        (edit,) = (edit for edit in sample.edits if edit.turn == self.turn)
        if self.pace is None:
            return edit
        steps, guidance = self.pace
        return edit.model_copy(update={"family": self.family, "steps": steps, "guidance": guidance})

    def _outcome(
        self, item: ToReplay, edit: Edit, done: Done | Reject[Edited]
    ) -> Edited | Reject[Edited]:
        before = item.history or History()
        if isinstance(done, Reject):
            return Reject(done.reason, done.detail, Edited(item.image, before))
        now = edit.model_copy(
            update={"composite": self.config.editing.composite, "changed": done.changed,
                    "area": done.area, "model": self.model, "notes": done.notes})  # fmt: skip
        return Edited(done.image, History(edits=(*before.edits, now)))


def _asked(item: ToReplay, edit: Edit) -> Asked:
    return Asked(item.image, item.masks[edit.region], edit.prompts, edit.seeds)


def paints(sample: Sample, replaced: str, turn: int, painter: str) -> bool:
    """Whether `painter` painted this turn, and `replaced` this one or one before it."""
    by = {edit.turn: edit.family for edit in sample.edits}
    return by.get(turn) == painter and replaced in (by[known] for known in by if known <= turn)


def job(config: Config, variant: str, family: str, turn: int) -> Job[ToReplay, Edited]:
    replaced = config.replays[variant]
    painter = replaced if family == variant else family

    def load() -> tuple[Transform[ToReplay, Edited], str]:
        with faults.loading():
            loaded, digest = editor(config, family)
        return Replay(config, variant, family, turn, loaded, digest), digest

    def mine(row: Row) -> bool:
        return paints(row.get("sample", "Sample"), replaced, turn, painter)

    return Job(ToReplay, Edited, load, mine, config.editing.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.replay", argv)
    return work(here, job(here.config, here.args.variant, here.args.family, here.args.turn))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
