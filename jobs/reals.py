"""Photographs that nobody edits, by the very path of the base pictures: same crop, same encoder.

    in    the folder of photographs, as for ingest
    out   image.png, an empty mask.png, real.json
    run   python -m jobs.reals --partition 0/4 --run runs/demo

The "unedited" ones are trained on beside the samples (paper, 4.1: 5,000); the "negative" ones are
the other class of detectors of whole pictures (30,000). No sample is made from their photographs.
One that cannot be used is quarantined with its reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jobs.bases import Base, untouched
from jobs.coco import Photographs
from jobs.cut import Cutter, cut
from jobs.ingest import Folder, photograph
from jobs.photos import Refused
from jobs.reserve import Part
from pipeline.apart import Apart
from pipeline.config import Config
from pipeline.documents import Real
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Reject, Unedited
from pipeline.stage import Job, context


def reals(
    config: Config, photographs: Photographs, keys: Sequence[str], cutter: Cutter = cut
) -> list[Unedited | Reject[Unedited]]:
    """One shard."""
    return [
        _one(config, photographs, key, part, base, cutter)
        for key, part, base in untouched(config, photographs, keys)
    ]


def _one(
    config: Config, photographs: Photographs, key: str, part: Part, base: Base, cutter: Cutter,
) -> Unedited | Reject[Unedited]:  # fmt: skip
    import numpy as np

    try:
        square = photograph(config, photographs, key, base, cutter)
    except Refused as refused:
        return Reject(refused.reason, str(refused))
    empty = np.zeros(square.cut.image.shape[:2], np.uint8)
    return Unedited(square.cut.image, empty, Real(source=square.source, part=part))


def main(argv: list[str]) -> int:
    here = context("jobs.reals", argv)
    with Apart(cut) as cutter:
        folder = Folder(here, cutter)

        def shard(keys: Sequence[str]) -> list[Unedited | Reject[Unedited]]:
            results = reals(folder.config, folder.photographs, keys, cutter)
            folder.judge(all(isinstance(one, Reject) for one in results))
            return results

        job: Job[str, Unedited] = Job(takes=None, gives=Unedited, load=lambda: (shard, ""))
        return work(here, job)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
