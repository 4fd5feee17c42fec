"""Name the objects of a picture (paper 3.1, stage 1): people first, larger ones preferred.

in    image.png, source.json
out   objects.json
run   python -m jobs.propose --partition 0/4 --run runs/demo
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from jobs.vlms import Module, Vlm
from pipeline.config import Config
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Proposed, Reject, ToPropose
from pipeline.stage import Job, Transform, context

BATCH = 8


def propose(vlm: Vlm, batch: Sequence[ToPropose]) -> list[Proposed | Reject[Proposed]]:
    answers = vlm.propose(batch)
    return [
        Reject("unparsable-reply") if answer is None else Proposed(answer) for answer in answers
    ]


def job(config: Config) -> Job[ToPropose, Proposed]:
    def load() -> tuple[Transform[ToPropose, Proposed], str]:
        module: Module = importlib.import_module(f"jobs.vlms.{config.vlm}")
        vlm = module.load(config)
        return lambda batch: propose(vlm, batch), ""

    return Job(ToPropose, Proposed, load, batch=BATCH)


def main(argv: list[str]) -> int:
    here = context("jobs.propose", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
