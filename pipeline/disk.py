"""The few file operations that durability rests on, each in one place.

Every file of a run is written aside and then appears whole, or does not appear.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path


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


def replace(target: Path, data: bytes) -> None:
    """Write `target` atomically; the last writer wins. For what can be made again at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(write_aside(target, data), target)
    sync_folder(target.parent)


def link_once(target: Path, data: bytes) -> None:
    """Create `target` with `data` unless it exists: the first writer wins, for ever.

    A hard link is atomic on every POSIX file system, NFS included, and never overwrites. Where
    links are refused, O_EXCL is the next best. Whether *we* won is not judged by the error (an NFS
    server may report a failure after success): the caller reads `target` back.
    """
    aside = write_aside(target, data)
    try:
        os.link(aside, target)
    except FileExistsError:
        pass
    except OSError:
        if not target.exists():
            _exclusive(target, data)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(target.parent)


def _exclusive(target: Path, data: bytes) -> None:
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
