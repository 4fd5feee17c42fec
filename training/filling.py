"""Fill a cache: decode, resize and judge each picture once, on threads; write in order of keys.

Files are written, not mapped: a disk that is full is an error here, and would be a signal there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from pipeline import disk, events
from pipeline.config import Config
from pipeline.documents import Split
from pipeline.errors import TRANSIENT_ERRNO, InputError, TransientError
from pipeline.records import ToTrain
from pipeline.shards import Row, RunFolder
from training import ahead, leakage, samples
from training.cache import FACTS, IMAGES, MASKS, Facts
from training.cache_files import File
from training.conditions import fit
from training.counting import counting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

SIDES: tuple[Split, Split] = ("train", "val")
THREADS = 16  # at most; more wait for the disk
Made = tuple[Facts, "Bytes", "Bytes"]


def fill(
    run: RunFolder, config: Config, split: Split, size: int, folder: Path
) -> tuple[dict[str, File], int]:
    """Write the three files of a cache into `folder`; returns them and the number of pictures.
    Raises `TransientError` if the disk is full."""
    leakage.disjoint(*(samples.sources(run, config, side) for side in SIDES))
    rows = samples.rows(run, config, split)
    need = len(rows) * 4 * size * size
    events.say("cache-filled", "fills {folder} with {pictures} pictures of {size} px, {mib} MiB",
               folder=folder.name[1:].rpartition(".")[0], pictures=len(rows), size=size,
               mib=need >> 20)  # fmt: skip
    try:
        if (free := shutil.disk_usage(folder).free) < need:
            raise TransientError(
                f"{folder.parent} has {free >> 20} MiB free and the cache of {split} at {size} px "
                f"needs {need >> 20}: make room, then run the same command again"
            )
        return _write(_made(rows, config, size), folder, split, len(rows)), len(rows)
    except OSError as error:
        if error.errno not in TRANSIENT_ERRNO:
            raise
        raise TransientError(
            f"{error.strerror} while the cache of {split} at {size} px was filled in "
            f"{folder.parent}, which needs {need >> 20} MiB: make room, then run the same command "
            "again"
        ) from None


def _write(found: Iterable[Made], folder: Path, split: Split, total: int) -> dict[str, File]:
    facts: list[Facts] = []
    with ExitStack() as stack:
        images, masks = (stack.enter_context(_Hashed(folder / name)) for name in (IMAGES, MASKS))
        told = stack.enter_context(counting(f"resizing {split}", total))
        for one, image, mask in found:
            facts.append(one)
            images.write(image.data)
            masks.write(mask.data)
            told(1)
        text = stack.enter_context(_Hashed(folder / FACTS))
        text.write(TypeAdapter(list[Facts]).dump_json(facts))
    return {one.path.name: one.file() for one in (images, masks, text)}


class _Hashed:
    """A file that is hashed as it is written, on the disk once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path, self._sha, self._bytes = path, hashlib.sha256(), 0
        self._out = disk.system.create(path)

    def __enter__(self) -> _Hashed:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                disk.system.sync(self._out)
        finally:
            disk.system.close(self._out)

    def write(self, raw: bytes | memoryview) -> None:
        disk.write(self._out, raw)
        self._sha.update(raw)
        self._bytes += memoryview(raw).nbytes

    def file(self) -> File:
        return File(bytes=self._bytes, sha256=self._sha.hexdigest())


def _made(rows: list[Row], config: Config, size: int) -> Iterator[Made]:
    """In order, while the next ones are made on threads (decoding releases the interpreter lock);
    no more of them wait than there are threads to make them twice over."""
    known = np.zeros(256, np.bool_)
    known[[0, *config.families.values()]] = True
    names = {label: family for family, label in config.families.items()}
    threads = min(THREADS, len(os.sched_getaffinity(0)))
    seen = set[tuple[str, int]]()

    def calls() -> Iterator[Callable[[], Made]]:
        for row in rows:
            manifest, _ = row.found["image.png"]
            shard = (manifest.dataset, manifest.shard)
            yield partial(_one, row, size, known, names, shard not in seen)
            seen.add(shard)

    return ahead.in_order(calls(), threads, "cache")


def _one(row: Row, size: int, known: NDArray[np.bool_], names: dict[int, str], first: bool) -> Made:
    """`first` of its shard: one is enough to tell how a shard was encoded."""
    if first:
        leakage.same_encoder(row)
    sample: ToTrain = row.read(ToTrain)
    where = f"{row.found['image.png'][0].dataset}, sample {row.key}"
    height, width = sample.image.shape[:2]
    if sample.mask.shape != (height, width):
        rows, columns = sample.mask.shape
        raise InputError(f"{where}: its mask is {columns} x {rows} pixels and its picture {width} "
                         f"x {height}: have the shard made again")  # fmt: skip
    if not known[sample.mask].all():
        label = int(sample.mask[~known[sample.mask]][0])
        raise InputError(f"{where}: label {label} of its mask belongs to no family of the run "
                         f"({', '.join(f'{name} {n}' for n, name in sorted(names.items()))}): have "
                         "the shard made again, or add the family")  # fmt: skip
    return _facts(sample, names), *fit(sample.image, sample.mask, size)


def _facts(sample: ToTrain, names: dict[int, str]) -> Facts:
    """A sample whose turns are not known (one that was made elsewhere) has the families of its
    mask; without any it is unedited."""
    if sample.real is not None:
        source = sample.real.source
        return Facts(key=sample.key, part=sample.real.part, source_id=source.source_id,
                     base=source.base)  # fmt: skip
    families = tuple(edit.family for edit in sample.sample.edits) if sample.sample else ()
    if not families:
        families = tuple(names[int(label)] for label in np.unique(sample.mask) if label)
    origin = sample.sample.source if sample.sample else None
    return Facts(
        key=sample.key, part="edited" if families else "unedited", families=families,
        source_id=origin.source_id if origin else sample.key,
        base=origin.base if origin else "real",
    )  # fmt: skip
