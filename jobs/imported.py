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
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from jobs.imported_pairs import Archive, look
from jobs.photos import Refused
from pipeline import released, runs
from pipeline.config import Config
from pipeline.documents import Edit, Region, Sample, Score, Source
from pipeline.errors import InputError, guard
from pipeline.loop import work
from pipeline.records import Assembled, FromSource, Reject, Sourced
from pipeline.shards import Row
from pipeline.stage import Context, Job, context

if TYPE_CHECKING:
    from pipeline.records import LabelMap, Photo

BATCH, THREADS = 8, 4
LICENCE, URL = "Apache-2.0", "https://huggingface.co/datasets/Chaos2629/Diffseg30k"
UNSCORED = Score(score=-1, reason="imported: nobody asked the judge")
UNKNOWN = ("imported", "turn-order-unknown", "prompt-unknown", "edit-type-unknown",
           "change-unknown")  # fmt: skip


class Importer:
    """Turns the pairs of one process's shards into records; sample i is pair i of the archive."""

    def __init__(self, config: Config) -> None:
        self.config, self.pairs = config, released.pairs(config)
        if len(self.pairs) != config.samples:
            raise InputError(f"{released.archive(config)} holds {len(self.pairs)} pairs, not the "
                             f"{config.samples} of the config: import it anew with another --out"
                             )  # fmt: skip
        self.archive = Archive(released.archive(config))

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

    def take(self, batch: Sequence[FromSource]) -> list[Assembled | Reject[Assembled]]:
        """Read the pairs one after the other, then decode them on threads."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._one, batch, [self._read(item) for item in batch]))

    def _read(self, item: FromSource) -> tuple[bytes, bytes] | Refused:
        try:
            return self.archive.read(self.pairs[int(item.key)])
        except Refused as refused:
            return refused

    def _one(
        self, item: FromSource, read: tuple[bytes, bytes] | Refused
    ) -> Assembled | Reject[Assembled]:
        try:
            if isinstance(read, Refused):
                raise read
            image, mask, mode = look(*read, self.config)
        except Refused as refused:
            return Reject(refused.reason, f"{item.source.file}: {refused}")
        height, width = mask.shape
        source = item.source.model_copy(update={
            "sha256": hashlib.sha256(read[0]).hexdigest(), "size": (width, height),
            "crop": (0, 0, width, height), "mode": mode})  # fmt: skip
        return assembled(self.config, image, mask, source)


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

    taking: Job[FromSource, Assembled] = Job(
        FromSource, Assembled, lambda: (opened(here).take, ""), mine, BATCH
    )
    return work(here, taking)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
