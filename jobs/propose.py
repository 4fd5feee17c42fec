"""Name the objects of a picture (paper 3.1, stage 1): people first, larger ones preferred.

in    image.png, source.json
out   objects.json, with the score of the unedited picture as a control
run   python -m jobs.propose --partition 0/4 --run runs/demo
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs.vlms import Judged, Unparsable, Vlm, load
from pipeline.config import Config
from pipeline.documents import Score
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Proposed, Reject, ToPropose
from pipeline.stage import Job, Transform, context


def propose(
    vlm: Vlm, control: bool, batch: Sequence[ToPropose]
) -> list[Proposed | Reject[Proposed]]:
    answers = vlm.propose(batch)
    controls = _controls(vlm, batch) if control else [None] * len(batch)
    return [
        Reject("unparsable-proposal", answer.detail) if isinstance(answer, Unparsable)
        else Proposed(answer.model_copy(update={"control": score}))
        for answer, score in zip(answers, controls, strict=True)
    ]  # fmt: skip


def _controls(vlm: Vlm, batch: Sequence[ToPropose]) -> list[Score | None]:
    """What the judge says of pictures that nobody has edited. The score is of a whole picture: how
    much of it is the base's own shows here. Without an answer there is no control."""
    import numpy as np

    bare = [Judged(item.image, np.zeros(item.image.shape[:2], np.bool_)) for item in batch]
    return [None if isinstance(said, Unparsable) else said for said in vlm.score(bare)]


def job(config: Config) -> Job[ToPropose, Proposed]:
    def ready() -> tuple[Transform[ToPropose, Proposed], str]:
        vlm = load(config)
        return lambda batch: propose(vlm, config.asking.control, batch), vlm.model

    return Job(ToPropose, Proposed, ready, batch=config.asking.batch)


def main(argv: list[str]) -> int:
    here = context("jobs.propose", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
