"""The few file operations that durability rests on, each in one place.

Every file of a run is written aside and then appears whole, or does not appear. All calls that
change or read a run's data are methods of `System`, so that a test can count them and make any one
fail; `system` is the real one.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: What a file system says that has no hard links, or none at this place.
NO_LINKS = {
    errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
}  # fmt: skip
#: What a file system says that has no locks.
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
#: Bytes that are read at once.
CHUNK = 1 << 20
_ASIDE = re.compile(r"\.(.+)\.[0-9a-f]{32}", re.DOTALL)


class System:
    """The operating system's calls. Files are descriptors; a write may be short, as anywhere."""

    def create(self, path: Path) -> int:
        """Open a new file for writing; FileExistsError if there is one."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, file: int, size: int, offset: int) -> bytes:
        return os.pread(file, size, offset)

    def write(self, file: int, parts: Sequence[memoryview]) -> int:
        return os.writev(file, parts)

    def sync(self, file: int) -> None:
        os.fsync(file)

    def close(self, file: int) -> None:
        os.close(file)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def discard(self, path: Path) -> None:
        """Remove a file unless a live process holds it, and none comes to hold it meanwhile."""
        try:
            with open(path, "r+b") as file:  # NFS locks only what is open for writing
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except (FileNotFoundError, BlockingIOError):
            return
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """One folder, whose parent is there; nothing if it is there, too."""
        path.mkdir(exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def stat(self, path: Path) -> os.stat_result:
        return os.stat(path)

    def sync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


system = System()


def write(file: int, *parts: bytes | memoryview) -> None:
    """Write all of `parts`, one after another, however many calls that takes."""
    left = [memoryview(part).cast("B") for part in parts if len(part)]
    while left:
        done = system.write(file, left)
        if not done:
            raise OSError(errno.EIO, "nothing was written")
        while left and done >= len(left[0]):
            done -= len(left.pop(0))
        if done:
            left[0] = left[0][done:]


def read(path: Path, offset: int = 0, size: int | None = None) -> bytes:
    """At most `size` bytes from `offset` on, all that there are without it."""
    file = system.open(path)
    try:
        found: list[bytes] = []
        while size is None or size > 0:
            part = system.read(file, CHUNK if size is None else min(size, CHUNK), offset)
            if not part:
                break
            found.append(part)
            offset += len(part)
            size = None if size is None else size - len(part)
        return b"".join(found)
    finally:
        system.close(file)


def digest(path: Path) -> str:
    """sha256 of a file, which is never in memory as a whole."""
    found, file, offset = hashlib.sha256(), system.open(path), 0
    try:
        while part := system.read(file, CHUNK, offset):
            found.update(part)
            offset += len(part)
        return found.hexdigest()
    finally:
        system.close(file)


def exists(path: Path) -> bool:
    """Whether there is something; a sick file system that cannot tell is an OSError."""
    try:
        system.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; each survives a power cut."""
    if exists(path):
        return
    make_folder(path.parent)
    system.make_folder(path)
    system.sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a link in `folder` survive a power cut."""
    system.sync_folder(folder)


def write_aside(target: Path, data: bytes) -> Path:
    """Write and fsync `data` beside `target` under a unique name, which is returned."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    _fill(system.create(aside), aside, target, data)
    return aside


def _fill(file: int, path: Path, target: Path, data: bytes) -> None:
    """Write, fsync and close; what is torn is removed, and the error names `target`."""
    try:
        try:
            write(file, data)
            system.sync(file)
        finally:
            system.close(file)
    except OSError as error:
        system.remove(path)
        error.filename = error.filename or str(target)
        raise


def aside_of(name: str) -> str:
    """The name of the file that `name` was written aside for; "" if it is no such name."""
    match = _ASIDE.fullmatch(name)
    return match[1] if match else ""


def replace(target: Path, data: bytes) -> None:
    """Write `target` atomically; the last writer wins. For what can be made again at any time."""
    make_folder(target.parent)
    aside = write_aside(target, data)
    try:
        system.replace(aside, target)
    except OSError:
        system.remove(aside)
        raise
    system.sync_folder(target.parent)


def link_over(source: Path, target: Path, move: bool = False) -> None:
    """Make `target` another name of `source`; where there are no links, a copy of it, or with
    `move` its only name. The last writer wins."""
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        system.link(source, aside)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if move:
            aside = source
        else:
            _copy(source, aside)
    system.replace(aside, target)
    system.sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    taken, made, offset = system.open(source), system.create(target), 0
    try:
        while part := system.read(taken, CHUNK, offset):
            write(made, part)
            offset += len(part)
        system.sync(made)
    finally:
        system.close(taken)
        system.close(made)


def link_once(target: Path, data: bytes) -> None:
    """Create `target` with `data` unless it exists: the first writer wins, for ever.

    A hard link is atomic on every POSIX file system, NFS included, and never overwrites. Where
    there are no links, O_EXCL is the next best. Whether *we* won is not judged by the error (an NFS
    server may report a failure after success): the caller reads `target` back. An error that left
    no `target` is raised.
    """
    aside = write_aside(target, data)
    try:
        system.link(aside, target)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno in NO_LINKS:
            _exclusive(target, data)
        elif not exists(target):
            raise
    finally:
        system.remove(aside)
    system.sync_folder(target.parent)


def _exclusive(target: Path, data: bytes) -> None:
    with suppress(FileExistsError):
        _fill(system.create(target), target, target, data)  # ours, if torn, would stand for ever


def hold(file: int | BinaryIO) -> None:
    """Lock an open file for as long as it is open, so that others see it is in use (`held`). It
    saves work; where there are no locks, nothing is said. Who only looks holds it for a moment, and
    is waited for."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def create_held(path: Path) -> int:
    """Open a new file for writing, and hold it; made again if it was discarded in between."""
    while True:
        file = system.create(path)
        try:
            hold(file)
            if exists(path):
                return file
        except BaseException:
            system.close(file)
            raise
        system.close(file)


def held(path: Path) -> bool:
    """Whether a live process, here or (on NFS) elsewhere, may hold `path`; False where the file
    system has no locks to tell by."""
    try:
        with open(path, "r+b") as file:  # NFS locks only what is open for writing
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    return False
