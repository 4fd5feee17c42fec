"""The dataset: picture, label map, turn map and everything known about the sample.

    in    all columns of the samples of one split
    out   image.png, mask.png (0 = untouched, 1..8 = family, last painter wins), turns.png,
          sample.json
    run   python -m jobs.assemble --split train --partition 0/4 --run runs/demo

Keys and masks are as in the released dataset. The third split, `filtered`, keeps apart what the
score set aside, with its reasons.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipeline.config import Config
from pipeline.documents import FILTERED, Sample, Source
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Assembled, ToAssemble
from pipeline.shards import Row
from pipeline.stage import Job, context

BATCH = 8


def assemble(batch: Sequence[ToAssemble]) -> list[Assembled]:
    return [_one(item) for item in batch]


def _one(item: ToAssemble) -> Assembled:
    import numpy as np

    edits = item.history.edits if item.history else ()
    labels = np.zeros(item.image.shape[:2], np.uint8)
    turns = np.zeros_like(labels)
    for edit in edits:
        mask = item.masks[edit.region]
        labels[mask], turns[mask] = edit.label, edit.turn
    sample = Sample(source=item.source, regions=item.regions.regions,
                    planned=len(item.plan.turns), edits=edits, score=item.score)  # fmt: skip
    return Assembled(item.image, labels, turns, sample)


def split_of(row: Row) -> str:
    """`filtered` if the score stage set the sample apart, else the split of its source."""
    source: Source = row.get("source", "Source")
    scores, _ = row.found["score.json"]
    apart = {item.key for item in scores.rejected if item.reason in FILTERED}
    return "filtered" if row.key in apart else source.split


def job(config: Config, split: str) -> Job[ToAssemble, Assembled]:
    return Job(
        ToAssemble, Assembled, lambda: (assemble, ""), lambda row: split_of(row) == split, BATCH
    )


def main(argv: list[str]) -> int:
    here = context("jobs.assemble", argv)
    return work(here, job(here.config, here.args.split))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
