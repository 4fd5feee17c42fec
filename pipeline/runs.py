"""Begin a run folder or take one up again: one folder, one config, one set of photographs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pipeline import detectors, disk, identity, released, spool
from pipeline.config import Config
from pipeline.errors import PERMANENT_ERRNO, TRANSIENT_ERRNO, InputError, TransientError
from pipeline.identity import begun as begun
from pipeline.photographs import SUFFIXES, fingerprint, ignored, is_photograph
from pipeline.shards import RunFolder
from pipeline.stage import read_run

MINIMUM_FREE = 64 << 20
#: What is written aside and then put in place, directly in the run folder.
FILES = ("config.yaml", "run.json", "report.html", "report.md")


def claim(photos: Path | None, out: Path) -> None:
    """Check what is given and make the folder `out`. Raises InputError, or OSError of a full or
    sick disk, before anything has been changed. An imported dataset needs no photographs."""
    if photos is not None:
        _photographs(photos)
        _apart(photos, out)
    with _usable(out, "--out"):
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file: give a folder with --out")
        if out.is_dir() and not (out / "run.json").exists():
            left = sorted(path.name for path in out.iterdir()
                          if path.name != ".lock" and not _aside(path))  # fmt: skip
            if left:
                raise InputError(
                    f"{out} is not empty and is no run (it has {left[0]}): give another --out"
                )
        disk.make_folder(out)


def _photographs(photos: Path) -> None:
    with _usable(photos, "--photos"):
        if not photos.is_dir():
            raise InputError(f"no folder of photographs at {photos}: give one with --photos")
        if not any(is_photograph(path) and path.is_file() for path in photos.rglob("*")):
            raise InputError(f"no photographs below {photos}: expected files ending in "
                             f"{', '.join(sorted(SUFFIXES))}")  # fmt: skip


@contextmanager
def _usable(path: Path, option: str) -> Iterator[None]:
    """A path that the system refuses is the user's to change; a full disk is not."""
    try:
        yield
    except OSError as error:
        if error.errno in TRANSIENT_ERRNO:
            raise
        raise InputError(
            f"{path} cannot be used ({error.strerror}): give another folder with {option}"
        ) from None


def _apart(photos: Path, out: Path) -> None:
    """A run must neither read its own pictures as photographs nor write among the user's."""
    # Path.resolve raises RuntimeError at a circle of links; this does not.
    target, source = Path(os.path.realpath(out)), Path(os.path.realpath(photos))
    if target.is_relative_to(source):
        raise InputError(f"{out} lies in the folder of photographs {photos}: "
                         "give a folder outside it with --out")  # fmt: skip
    if source.is_relative_to(target):
        raise InputError(f"the photographs {photos} lie in {out}: "
                         "give a folder without them with --out")  # fmt: skip


def begin(config: Config, photos: Path | None, out: Path) -> tuple[Config, RunFolder]:
    """Make `out` the folder of this run, or check that it already is. Returns the config with its
    photographs filled in. A run of which nothing is committed yet may still be changed."""
    claim(photos, out)
    if config.imported:
        _apart(released.archive(config), out)
    if photos is not None:
        _two_sources(config, photos)
        config = config.model_copy(update={"photos": str(photos.resolve())})
    elif config.reals.total or not config.imported:
        raise InputError("reals are taken from photographs: give a folder of them with --photos")
    known = _identity(config, photos)
    folder = RunFolder(out)
    if any(folder.datasets.glob("*/*.json")):
        _same(out, known)
        detectors.same(config, folder)
    free = os.statvfs(out)
    if free.f_bavail * free.f_frsize < MINIMUM_FREE:
        raise TransientError(
            f"the disk of {out} has less than 64 MiB free: make room, or give another --out"
        )
    identity.write(out, config, known)
    return config, folder


def _identity(config: Config, photos: Path | None) -> dict[str, Any]:
    """What a run is begun with."""
    found: dict[str, Any] = {"config": config.digest(), "photos": "", "ignored": {}}
    if config.imported:
        found["imported"] = released.fingerprint(released.archive(config))
    if photos is not None:
        found |= {"photos": fingerprint(photos), "ignored": ignored(photos)}
    return found


def mend(run: RunFolder) -> str:
    """Write a run.json anew that is damaged or gone, if all that is committed vouches for the
    config; returns what was done, "" if nothing had to be. Raises InputError if it cannot be."""
    file, sentence = identity.wrong(run.path)
    if not file:
        return ""
    if file != identity.RUN:
        raise InputError(sentence)
    config = read_run(run.path)
    identity.vouched(run, config)
    photos = Path(config.photos) if config.photos else None
    if photos is not None:
        _photographs(photos)
    identity.write(run.path, config, _identity(config, photos))
    return f"{run.path / identity.RUN} was written anew, from the config and the photographs"


def _two_sources(config: Config, photos: Path) -> None:
    """The split goes by photograph: of a single one, either training or validation gets nothing,
    and that should not be found out after everything has been painted."""
    found = (path for path in photos.rglob("*") if is_photograph(path) and path.is_file())
    if config.detectors and len(list(islice(found, 2))) < 2:
        raise InputError(f"{photos} has one photograph, but detectors need two, one of them to "
                         "validate with: add photographs, or leave detectors out of the "
                         "profile")  # fmt: skip


def _same(out: Path, now: dict[str, Any]) -> None:
    known = begun(out)
    if known.get("config") != now["config"]:
        name = read_run(out).profile
        raise InputError(f"{out} holds a run of another config (profile {name}, digest "
                         f"{known.get('config')}, not {now['config']}): give another folder "
                         "with --out, or the config it was begun with")  # fmt: skip
    if known.get("imported") != now.get("imported"):
        raise InputError(f"the archive is not the one that the run in {out} was begun with: give "
                         "another folder with --out")  # fmt: skip
    if known.get("photos") != now["photos"]:
        raise InputError(f"the photographs are not those that the run in {out} was begun with: "
                         "give another folder with --out")  # fmt: skip


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """One local executor per run folder. It saves work; correctness never rests on it. Raises
    InputError where nothing can be written."""
    with _lock_file(out) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(
                f"another palimpsest is at work in {out}: wait for it to end"
            ) from None
        yield


def _lock_file(out: Path) -> IO[str]:
    try:
        return open(out / ".lock", "w")
    except OSError as error:
        if error.errno not in PERMANENT_ERRNO:
            raise
        raise InputError(f"{out} cannot be written ({error.strerror}): do this as whoever it "
                         "belongs to, where it can be written, or with a copy of it"
                         ) from None  # fmt: skip


def sweep(run: RunFolder) -> None:
    """Remove what killed attempts left: unfinished tars that no live process holds and of which no
    batch can be taken over, and files that were written aside. Nothing else, whatever it is called:
    the folder is the user's too."""
    asides = [
        *run.datasets.glob("*/.*.*"),
        *(path for name in ("dataset", "models") for path in (run.path / name).glob(".*.*")),
    ]
    spooled = [path for path in run.staging.glob("*") if spool.useless(run, path)]
    for left in [
        *(path for path in run.path.glob(".*.*") if _aside(path)),
        *(path for path in asides if disk.aside_of(path.name) and path.is_file()),
    ]:
        disk.system.remove(left)
    for left in spooled:
        spool.discard(left)


def _aside(path: Path) -> bool:
    """Whether a killed process left this in the run folder, on its way to one of FILES."""
    return disk.aside_of(path.name) in FILES and path.is_file()
