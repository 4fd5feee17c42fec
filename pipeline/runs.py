"""Begin a run folder or take one up again: one folder, one config, one set of photographs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import detectors, disk
from pipeline.config import Config
from pipeline.errors import InputError, TransientError
from pipeline.shards import RunFolder
from pipeline.stage import read_run

MINIMUM_FREE = 64 << 20


def claim(photos: Path, out: Path) -> None:
    """Check what is given and make the folder `out`. Raises InputError or OSError, before anything
    has been changed."""
    if not photos.is_dir():
        raise InputError(f"no folder of photographs at {photos}: give one with --photos")
    if not any(path.is_file() for path in photos.rglob("*")):
        raise InputError(f"no photographs below {photos}: the folder is empty")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder with --out")
    if out.is_dir() and not (out / "run.json").exists():
        left = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if left:
            raise InputError(
                f"{out} is not empty and is no run (it has {left[0]}): give another --out"
            )
    out.mkdir(parents=True, exist_ok=True)


def begin(config: Config, photos: Path, out: Path) -> tuple[Config, RunFolder]:
    """Make `out` the folder of this run, or check that it already is. Returns the config with its
    photographs filled in. A run of which nothing is committed yet may still be changed."""
    claim(photos, out)
    config = config.model_copy(update={"photos": str(photos.resolve())})
    identity = {"config": config.digest(), "photos": fingerprint(photos)}
    folder = RunFolder(out)
    if any(folder.datasets.glob("*/*.json")):
        _same(out, identity)
        detectors.same(config, folder)
    free = os.statvfs(out)
    if free.f_bavail * free.f_frsize < MINIMUM_FREE:
        raise TransientError(
            f"the disk of {out} has less than 64 MiB free: make room, or give another --out"
        )
    disk.replace(out / "config.yaml", config.to_yaml().encode())
    disk.replace(out / "run.json", json.dumps(identity).encode())
    return config, folder


def _same(out: Path, identity: dict[str, str]) -> None:
    try:
        begun = json.loads((out / "run.json").read_bytes())
    except ValueError:
        raise InputError(f"{out / 'run.json'} is damaged: give another folder with --out") from None
    if begun.get("config") != identity["config"]:
        name = read_run(out).profile
        raise InputError(f"{out} holds a run of another config (profile {name}, digest "
                         f"{begun.get('config')}, not {identity['config']}): give another folder "
                         "with --out, or the config it was begun with")  # fmt: skip
    if begun.get("photos") != identity["photos"]:
        raise InputError(f"the photographs are not those that the run in {out} was begun with: "
                         "give another folder with --out")  # fmt: skip


def fingerprint(photos: Path) -> str:
    """Of the folder's file names and sizes, and of the annotations' bytes."""
    found = hashlib.sha256()
    for path in sorted(photos.rglob("*")):
        if path.is_file():
            found.update(
                f"{path.relative_to(photos)}\0{path.stat().st_size}\0".encode(
                    "utf-8", "surrogateescape"
                )
            )
            if path.suffix == ".json":
                found.update(path.read_bytes())
    return found.hexdigest()[:16]


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """One local executor per run folder. It saves work; correctness never rests on it."""
    with open(out / ".lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(
                f"another palimpsest is at work in {out}: wait for it to end"
            ) from None
        yield


def sweep(run: RunFolder) -> None:
    """Remove what killed attempts left: unfinished tars and unlinked manifests."""
    for left in [
        *run.path.glob("staging/*.part"),
        *run.datasets.glob("*/.*.json.*"),
        *run.path.glob(".*.*"),
    ]:
        if left.name != ".lock":
            left.unlink(missing_ok=True)
