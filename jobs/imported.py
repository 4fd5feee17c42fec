"""The published dataset's pairs in, our samples out: what is known of them, and nothing else.

    in    an archive of DiffSeg30k (the run's config says which; pipeline/released.py has its forms)
    out   source.json of every pair; then, for one split, the columns of jobs/assemble.py
    run   python -m jobs.imported --partition 0/4 --run runs/diffseg30k
          python -m jobs.imported --split train --partition 0/4 --run runs/diffseg30k

Pictures keep their size and, in RGB, every pixel; they need not be square. A mask has one channel
with the labels of the config's families, 0 = unedited. The pairs have no order of turns, prompts or
regions: each family in a mask becomes one edit, in the order of the labels, whose notes say so. A
pair that cannot be used is quarantined with its reason; it costs no other.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.cut import fatal
from jobs.imported_pairs import look, read
from jobs.photos import Limits, Refused
from pipeline import released, runs
from pipeline.apart import Apart, Ended
from pipeline.config import Config
from pipeline.documents import Edit, Region, Sample, Score, Source
from pipeline.errors import InputError, guard
from pipeline.loop import work
from pipeline.records import Assembled, FromSource, Reject, Sourced
from pipeline.released import Pair
from pipeline.shards import Row
from pipeline.stage import Context, Job, Transform, context

if TYPE_CHECKING:
    from pipeline.records import LabelMap, Photo

    Files = tuple[bytes, bytes]
    Look = tuple[Photo, LabelMap, str]

T = TypeVar("T")
#: Pairs at once, and processes that decode them.
BATCH, PROCESSES = 8, min(4, os.cpu_count() or 1)
LICENCE, URL = "Apache-2.0", "https://huggingface.co/datasets/Chaos2629/Diffseg30k"
UNSCORED = Score(score=-1, reason="imported: nobody asked the judge")
UNKNOWN = ("imported", "turn-order-unknown", "prompt-unknown", "edit-type-unknown",
           "change-unknown")  # fmt: skip


class Importer:
    """Turns the pairs of one process's shards into records; sample i is pair i of the archive."""

    def __init__(self, config: Config) -> None:
        self.config, self.pairs = config, released.pairs_apart(config)
        if len(self.pairs) != config.samples:
            raise InputError(f"{released.archive(config)} holds {len(self.pairs)} pairs, not the "
                             f"{config.samples} of the config: import it anew with another --out"
                             )  # fmt: skip
        self.path = released.archive(config)

    def listed(self, keys: Sequence[str]) -> list[Sourced | Reject[Sourced]]:
        """What is known before a pair is opened."""
        found: list[Sourced | Reject[Sourced]] = []
        for key in keys:
            pair = self.pairs[int(key)]
            if pair.lacks:
                found.append(Reject("missing-file", f"{pair.id} has no {pair.lacks}"))
                continue
            found.append(Sourced(Source(
                source_id=f"{pair.split}/{pair.id}", split=pair.split, base="unknown",
                file=pair.id, licence=LICENCE, url=URL)))  # fmt: skip
        return found

    def take(
        self, batch: Sequence[FromSource], reader: Apart[[Path, Pair], Files],
        looker: Apart[[bytes, bytes, Limits, Sequence[int]], Look],
    ) -> list[Assembled | Reject[Assembled]]:  # fmt: skip
        """Read the pairs one after the other, then decode them side by side; both apart, so that
        a pair which ends a process costs no other."""
        pairs = [self._tried(item, partial(reader, self.path, self.pairs[int(item.key)]))
                 for item in batch]  # fmt: skip
        limits, families = Limits.of(self.config.bases), tuple(self.config.families.values())
        good = (pair for pair in pairs if not isinstance(pair, Reject))
        looks = looker.each((*pair, limits, families) for pair in good)
        return [pair if isinstance(pair, Reject) else self._one(item, pair, next(looks))
                for item, pair in zip(batch, pairs, strict=True)]  # fmt: skip

    def _one(
        self, item: FromSource, pair: Files, looked: Callable[[], Look]
    ) -> Assembled | Reject[Assembled]:
        got = self._tried(item, looked)
        if isinstance(got, Reject):
            return got
        image, mask, mode = got
        height, width = mask.shape
        source = item.source.model_copy(update={
            "sha256": hashlib.sha256(pair[0]).hexdigest(), "size": (width, height),
            "crop": (0, 0, width, height), "mode": mode})  # fmt: skip
        return assembled(self.config, image, mask, source)

    @staticmethod
    def _tried(item: FromSource, call: Callable[[], T]) -> T | Reject[Assembled]:
        try:
            return call()
        except Ended as ended:
            refused = fatal(item.source.file, ended)
            return Reject(refused.reason, str(refused))
        except Refused as refused:
            return Reject(refused.reason, f"{item.source.file}: {refused}")


def assembled(config: Config, image: Photo, mask: LabelMap, source: Source) -> Assembled:
    """The columns of a sample of which only picture and mask are known. `turns` numbers the
    families as the edits do, from 1, in order of their labels."""
    import numpy as np

    turns = np.zeros_like(mask)
    regions: list[Region] = []
    edits: list[Edit] = []
    families = sorted(config.families.items(), key=lambda item: item[1])
    there = np.bincount(mask.ravel(), minlength=256)
    for family, label in ((name, label) for name, label in families if there[label]):
        plane = mask == label
        area = float(there[label] / mask.size)
        turns[plane] = len(edits) + 1
        down, across = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
        box = (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)
        regions.append(Region(name="unknown", category="other", area=area, box=box,
                              origin="imported"))  # fmt: skip
        edits.append(Edit(
            turn=len(edits) + 1, region=len(edits), family=family, label=label, edit="unknown",
            prompts=("",), seeds=(), steps=0, guidance=0.0, composite="unknown", changed=1.0,
            area=area, model="", notes=UNKNOWN))  # fmt: skip
    sample = Sample(source=source, regions=tuple(regions), planned=len(edits), edits=tuple(edits),
                    score=UNSCORED)  # fmt: skip
    return Assembled(image, mask, turns, sample)


def opened(here: Context) -> Importer:
    """Raises InputError if the archive is not the one that the run was begun with."""
    begun = runs.begun(here.run.path).get("imported")
    path = released.archive(here.config)
    if begun not in (None, released.fingerprint(path)):
        raise InputError(f"the archive {path} is not the one that the run in {here.run.path} was "
                         "begun with: put it back, or import it with another --out")  # fmt: skip
    return Importer(here.config)


def main(argv: list[str]) -> int:
    here = context("jobs.imported", argv)
    split: str | None = here.args.split
    if split is None:
        listing: Job[str, Sourced] = Job(None, Sourced, lambda: (opened(here).listed, ""))
        return work(here, listing)

    def mine(row: Row) -> bool:
        source: Source = row.get("source", "Source")
        return source.split == split

    with Apart(read) as reader, Apart(look, PROCESSES) as looker:

        def load() -> tuple[Transform[FromSource, Assembled], str]:
            importer = opened(here)
            return lambda batch: importer.take(batch, reader, looker), ""

        taking: Job[FromSource, Assembled] = Job(FromSource, Assembled, load, mine, BATCH)
        return work(here, taking)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
