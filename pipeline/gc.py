"""`palimpsest gc`: what lies in a run folder and belongs to nothing that stands.

Tars that came second, attempts that ended, files on their way to a name they never got, and what
repairs moved away. Only what is older than `GRACE` and held by no live process; without `--delete`
it only lists them. What was made of a shard that is not committed stays: the next attempt takes
its spool over.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline import disk, spool, units
from pipeline.documents import Doc
from pipeline.errors import OK, CorruptData, NotReady
from pipeline.reading import count_bar
from pipeline.shards import RunFolder
from pipeline.stage import read_run
from pipeline.units import counted

#: Seconds; more than any clocks of two machines that share a volume are apart.
GRACE = 3600.0


class Leftover(Doc):
    path: str
    bytes: int
    why: str


class Sweep(Doc):
    """`deleted` says whether the leftovers are gone now, or were only found."""

    run: str
    leftovers: tuple[Leftover, ...]
    deleted: bool

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.leftovers)


def main(args: argparse.Namespace) -> int:
    read_run(args.run)
    found = sweep(RunFolder(args.run), args.delete)
    if args.json:
        print(found.model_dump_json(indent=2))
        return OK
    for one in found.leftovers:
        print(f"{one.path}: {one.why}, {one.bytes:,} bytes")
    size = f"{counted(len(found.leftovers), 'leftover')} of {units.size(found.bytes)}"
    if not found.leftovers:
        print("nothing to collect")
    else:
        print(f"deleted {size}" if found.deleted else f"{size}: delete them with --delete")
    return OK


def sweep(run: RunFolder, delete: bool = False, grace: float = GRACE) -> Sweep:
    """Find what belongs to nothing, and with `delete` remove it. Safe beside runs at work."""
    oldest = time.time() - grace
    found = []
    for path, why in _unclaimed(run):
        try:
            status = disk.system.stat(path)
        except FileNotFoundError:  # its owner was faster
            continue
        if status.st_mtime <= oldest:
            found.append((path, Leftover(path=str(path), bytes=status.st_size, why=why)))
    with count_bar("deleting", len(found) if delete else 0) as told:
        for path, _ in found if delete else ():
            spool.discard(path) if path.parent == run.staging else disk.system.remove(path)
            told(1)
    return Sweep(run=str(run.path), leftovers=tuple(one for _, one in found), deleted=delete)


def _unclaimed(run: RunFolder) -> Iterator[tuple[Path, str]]:
    for folder in (run.staging, run.datasets, *sorted(run.datasets.glob("*"))):
        with suppress(FileNotFoundError, NotADirectoryError):
            disk.system.names(folder)  # a folder that we may not look into is no empty one
    for path in sorted(run.staging.glob("*")):
        if spool.useless(run, path):
            yield path, "an attempt that ended"
    folders = [run.path, run.path / "dataset", run.path / "models", *sorted(run.datasets.glob("*")),
               *sorted((run.path / "checkpoints").glob("*")),
               *sorted(run.diverged.glob("*"))]  # fmt: skip
    for folder in folders:
        for path in sorted(folder.glob(".*")):
            if disk.aside_of(path.name) and path.is_file():
                yield path, "a file that never got its name"
    for path in sorted(run.datasets.glob("*/*.tar")):
        if _second(run, path):
            yield path, "a tar whose shard was committed as another"
    for path in sorted((run.path / "retired").glob("*/*/*")):
        yield path, "retired by a repair"


def _second(run: RunFolder, tar: Path) -> bool:
    """Whether a manifest that stands, and can be read, names another tar: none that comes later can
    name this one. While there is none, an attempt may be about to commit it."""
    shard = tar.name.partition("-")[0]
    try:
        return shard.isdigit() and run.manifest(tar.parent.name, int(shard)).tar != tar.name
    except (NotReady, CorruptData):  # a damaged one may be its own: `palimpsest repair` knows
        return False
