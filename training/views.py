"""What a detector is shown of the val split: pictures as assembled, as painted again, or as they
were before any turn, each as a condition leaves it.

in    the cache of val at the network's size; the shards, where a condition starts from the stored
      picture, and for pictures that the cache does not have
out   what is known of the split; pictures with their masks, read ahead on threads
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config import Config
from pipeline.dag import dag
from pipeline.documents import History, Sample, Source
from pipeline.shards import Row, RunFolder, join
from training import ahead, samples
from training.conditions import condition, fit
from training.sets import ASSEMBLED, BASES, NO_CROP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.cache import Cache

    Bytes = NDArray[np.uint8]

THREADS = 16  # at most
#: A key, its picture (s, s, 3) and its mask values (s, s).
Shown = tuple[str, "Bytes", "Bytes"]


class Views:
    """`parents` are the tar digests of every shard that was looked at, the cache's among them.
    `replayed`: by variant, the samples whose every replaced and later turn could be painted again;
    `bases`: the keys of AI-made base pictures of val."""

    def __init__(self, run: RunFolder, config: Config, cache: Cache) -> None:
        self.run, self.config, self.cache = run, config, cache
        self.parents = dict(cache.parents)
        self._place = {key: i for i, key in enumerate(cache.keys)}
        self._rows: dict[str, dict[str, Row]] = {}
        self.replayed: dict[str, frozenset[str]] = {}
        self.bases: tuple[str, ...] = ()

    def edited(self, key: str) -> bool:
        """Whether a picture of the cache is edited."""
        return self.cache.facts[self._place[key]].part == "edited"

    def find_replayed(self) -> None:
        """Look at what the variants of `replays` painted."""
        for variant in self.config.replays:
            names = [stage.name for stage in dag(self.config)
                     if stage.module == "jobs.replay" and variant in stage.args]  # fmt: skip
            rows = self._joined(["assemble-val", *names])
            self._rows[variant] = rows
            self.replayed[variant] = frozenset(key for key, row in rows.items() if _whole(row))

    def find_bases(self) -> None:
        """Look at the AI-made base pictures of val, edited afterwards or not."""
        names = [stage.name for stage in dag(self.config) if stage.module == "jobs.generate"]
        rows = self._joined(["ingest", *names]) if names else {}
        self._rows[BASES] = {key: row for key, row in rows.items() if _of_val(row)}
        self.bases = tuple(self._rows[BASES])

    def batches(
        self, keys: Sequence[str], name: str, pictures: str, at_once: int
    ) -> Iterator[list[Shown]]:
        """`keys` in order under the condition `name`, `at_once` together, while the next are read
        and distorted on threads (most of that releases the interpreter lock)."""
        threads = min(THREADS, len(os.sched_getaffinity(0)))
        calls = (partial(self.one, key, name, pictures) for key in keys)
        with closing(ahead.in_order(calls, threads, "view")) as shown:
            while some := list(islice(shown, at_once)):
                yield some

    def one(self, key: str, name: str, pictures: str = ASSEMBLED) -> Shown:
        """A single picture of `batches`."""
        how = condition("clean" if name == NO_CROP else name)
        image, mask = self._start(key, pictures, how.from_stored)
        return key, *how.apply(image, mask, self.cache.size, key, self.config.seed)

    def _start(self, key: str, pictures: str, stored: bool) -> tuple[Bytes, Bytes]:
        """What a condition starts from: as stored, or at the network's size."""
        row = None if pictures == ASSEMBLED else self._rows[pictures].get(key)
        if row is None and not stored:  # samples without a turn to paint again are as they were
            place = self._place[key]
            return np.array(self.cache.images[place]), np.array(self.cache.masks[place])
        row = row or self._stored()[key]
        image, mask = row.get("image", "Photo"), row.get("mask", "LabelMap")
        if mask is None:  # a base picture: nothing of it is edited
            mask = np.zeros(image.shape[:2], np.uint8)
        return (image, mask) if stored else fit(image, mask, self.cache.size)

    def _stored(self) -> dict[str, Row]:
        if ASSEMBLED not in self._rows:
            rows = samples.rows(self.run, self.config, "val")
            self._rows[ASSEMBLED] = {row.key: row for row in rows}
        return self._rows[ASSEMBLED]

    def _joined(self, datasets: Sequence[str]) -> dict[str, Row]:
        """The rows of shards laid over one another that some layer above the first has, too."""
        found: dict[str, Row] = {}
        for shard in range(self.config.shards):
            joined = join(self.run, datasets, shard)
            self.parents |= {f"{name}/{shard:05d}": sha for name, sha in joined.parents.items()}
            above = {key for manifest in joined.manifests[1:] for key in manifest.records}
            found |= {key: row for key, row in joined.rows.items() if key in above}
        return found


def _whole(row: Row) -> bool:
    """Whether the last picture has as many edits as the sample: a turn that could not be painted
    again leaves the picture as it was, and its pixels in the mask."""
    sample: Sample | None = row.get("sample", "Sample")
    history: History | None = row.get("history", "History")
    return bool(sample and history and len(history.edits) == len(sample.edits))


def _of_val(row: Row) -> bool:
    source: Source | None = row.get("source", "Source")
    return source is not None and source.split == "val" and "image.png" in row.found
