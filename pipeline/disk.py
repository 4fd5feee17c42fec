"""The few file operations that durability rests on, each in one place.

Every file of a run is written aside and then appears whole, or does not appear.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: What a file system says that has no hard links, or none at this place.
NO_LINKS = {
    errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
}  # fmt: skip
#: What a file system says that has no locks.
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{32}", re.DOTALL)


def sync_folder(folder: Path) -> None:
    """Make a rename or a link in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_aside(target: Path, data: bytes) -> Path:
    """Write and fsync `data` beside `target` under a unique name, which is returned."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with open(aside, "xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        aside.unlink(missing_ok=True)
        error.filename = error.filename or str(target)
        raise
    return aside


def aside_of(name: str) -> str:
    """The name of the file that `name` was written aside for; "" if it is no such name."""
    match = _ASIDE.fullmatch(name)
    return match[1] if match else ""


def replace(target: Path, data: bytes) -> None:
    """Write `target` atomically; the last writer wins. For what can be made again at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(write_aside(target, data), target)
    sync_folder(target.parent)


def link_once(target: Path, data: bytes) -> None:
    """Create `target` with `data` unless it exists: the first writer wins, for ever.

    A hard link is atomic on every POSIX file system, NFS included, and never overwrites. Where
    there are no links, O_EXCL is the next best. Whether *we* won is not judged by the error (an NFS
    server may report a failure after success): the caller reads `target` back. An error that left
    no `target` is raised.
    """
    aside = write_aside(target, data)
    try:
        os.link(aside, target)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno in NO_LINKS:
            _exclusive(target, data)
        elif not target.exists():
            raise
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(target.parent)


def _exclusive(target: Path, data: bytes) -> None:
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        target.unlink(missing_ok=True)  # ours, and torn: it would stand for ever
        error.filename = error.filename or str(target)
        raise


def hold(file: BinaryIO) -> None:
    """Lock an open file for as long as it is open, so that others see it is in use (`held`). It
    saves work; where there are no locks, nothing is said."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def held(path: Path) -> bool:
    """Whether a live process, here or (on NFS) elsewhere, may hold `path`; False where the file
    system has no locks to tell by."""
    try:
        with open(path, "r+b") as file:  # NFS locks only what is open for writing
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    return False
