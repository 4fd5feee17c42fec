"""The files of a cache among those of other processes: checked, put in place, waited for.

A folder appears whole or not at all, and whoever has one mapped keeps its bytes, whatever becomes
of the name.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline import disk, events
from pipeline.documents import Doc


class File(Doc):
    bytes: int
    sha256: str


def hold_against(path: Path, file: File, check: bool) -> None:
    """Raises ValueError unless the file is as long as it should be and, if asked, as its digest."""
    if (size := path.stat().st_size) != file.bytes:
        raise ValueError(f"{path.name} has {size} bytes, not {file.bytes}")
    if check and disk.digest(path) != file.sha256:
        raise ValueError(f"{path.name} does not match its digest")


def stand(aside: Path, folder: Path, whole: Callable[[], bool]) -> None:
    """Give a filled cache its name, unless what has it is `whole`: another process was first, and
    others may be reading it by now."""
    if not _named(aside, folder) and not whole():
        away = aside.with_name(f"{aside.name}.old")
        with suppress(FileNotFoundError):
            disk.system.replace(folder, away)
            shutil.rmtree(away, ignore_errors=True)
        _named(aside, folder)
    disk.sync_folder(folder.parent)


def _named(aside: Path, folder: Path) -> bool:
    try:
        disk.system.replace(aside, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def tidy(home: Path, name: str, kind: str) -> None:
    """Remove what killed processes left of this cache, and caches of other shards. Whoever has one
    of these mapped keeps its bytes."""
    for path in home.iterdir():
        left = path.name.startswith(f".{name}.") and path.is_dir()
        stale = path.name.startswith(kind) and path.name != name
        if stale:
            events.say("cache-stale", "{folder} was made from other shards: removed",
                       folder=path.name)  # fmt: skip
        if left or stale:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def alone(lock: Path, name: str) -> Iterator[bool]:
    """Wait until no other process fills the cache `name`; False where nobody can tell."""
    with open(lock, "ab") as file:
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                events.say("cache-awaited", "waits for another process to fill {folder}",
                           folder=name)  # fmt: skip
                fcntl.flock(file, fcntl.LOCK_EX)
            locked = True
        except OSError as error:
            if error.errno not in disk.NO_LOCKS:
                raise
            locked = False
        yield locked
