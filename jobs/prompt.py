"""Write the edit prompt of one turn: the VLM sees the current picture and the mask (paper 3.1).

in    image.png (the last good one), masks.png, regions.json, plan.json
out   prompt.json: one text per pass, two for an addition
run   python -m jobs.prompt --turn 1 --partition 0/4 --run runs/demo
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs.vlms import Unparsable, Vlm, Wish, load
from pipeline.config import Config
from pipeline.documents import Plan
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Prompted, Reject, ToPrompt
from pipeline.seeds import seed
from pipeline.shards import Row
from pipeline.stage import Job, Transform, context


def prompt(
    vlm: Vlm, config: Config, turn: int, batch: Sequence[ToPrompt]
) -> list[Prompted | Reject[Prompted]]:
    wishes = [_wish(config, turn, item) for item in batch]
    answers = vlm.prompt(wishes)
    return [
        Reject("unparsable-prompt", answer.detail) if isinstance(answer, Unparsable)
        else Prompted(answer)
        for answer in answers
    ]  # fmt: skip


def _wish(config: Config, turn: int, item: ToPrompt) -> Wish:
    step = item.plan.turns[turn - 1]
    draw = seed(config.seed, item.key, turn, step.family, "prompt")
    return Wish(
        item.image, item.masks[step.region], item.regions.regions[step.region], step.edit, draw
    )


def job(config: Config, turn: int) -> Job[ToPrompt, Prompted]:
    def ready() -> tuple[Transform[ToPrompt, Prompted], str]:
        vlm = load(config)
        return lambda batch: prompt(vlm, config, turn, batch), vlm.model

    def mine(row: Row) -> bool:
        plan: Plan = row.get("plan", "Plan")
        return len(plan.turns) >= turn

    return Job(ToPrompt, Prompted, ready, mine, config.asking.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.prompt", argv)
    return work(here, job(here.config, here.args.turn))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
