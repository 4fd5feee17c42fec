"""A folder of weights and its lock: which files it holds, of which revision of which repository.

    in    models/NAME/             weights and the texts beside them
    out   models/NAME.lock.json    repo, commit, and the bytes and sha256 of each file

A lock is written once, by whoever fetched the weights; whoever reads them holds them against it and
reads no other bytes (pipeline/held.py). A lock without its folder says which revision to fetch; one
that we wrote carries its own digest. Files and folders whose names begin with a dot are left out
(downloaders keep dates there), unless they hold pickles or code.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import disk
from pipeline.errors import ConfigError, CorruptData, TransientError

#: Pickles and code: both run what their author wrote. Nothing here reads them, nor may they lie
#: where a library might.
NEVER = {
    ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".py", ".pyc", ".so",
}  # fmt: skip
WEIGHTS = ".safetensors"
#: Where the hub's client notes of which revision each file is, relative to the folder.
NOTES = Path(".cache", "huggingface", "download")
CHUNK = 1 << 20


class Entry(BaseModel):
    """One file; `sha256` is "" where only its size was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bytes: int
    sha256: str


class Lock(BaseModel):
    """What a folder must hold. `repo` and `commit` are "" of weights that were not fetched."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    repo: str
    commit: str
    files: dict[str, Entry]


class Sealed(Lock):
    """A lock as it lies on the disk. `check` is "" in one that a person wrote."""

    check: str = ""

    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude={"check"}).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder does hold, by path relative to it; `strange` says what may not be there."""

    files: dict[str, Entry] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> bool:
        return bool(self.strange) or any(name.endswith(WEIGHTS) for name in self.files)


def lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock.json")


def read(folder: Path) -> Lock | None:
    """The folder's lock, None if it has none."""
    path = lock_path(folder)
    try:
        found = Sealed.model_validate_json(path.read_bytes())
        if found.check in ("", found.digest()):
            return Lock.model_validate(found.model_dump(exclude={"check"}))
    except FileNotFoundError:
        return None
    except ValidationError:
        pass
    raise CorruptData(f"{path} is no lock, or damaged: move it and its folder away, and run "
                      "`palimpsest models fetch`")  # fmt: skip


def write(folder: Path, lock: Lock) -> Lock:
    """Lock a folder; of several writers the first one wins. Returns the lock that stands."""
    sealed = Sealed(**dict(lock))
    sealed = sealed.model_copy(update={"check": sealed.digest()})
    disk.link_once(lock_path(folder), sealed.model_dump_json(indent=1).encode() + b"\n")
    return read(folder) or lock


def survey(
    folder: Path, told: Callable[[int], None] = lambda size: None, *, hashed: bool = True,
    keep: Callable[[str, int], None] = lambda name, file: None,
) -> Found:  # fmt: skip
    """Look at every file below `folder`; `told` hears of the bytes that were read, `keep` of each
    file's name and the descriptor it was read by, which is then closed."""
    found, home = Found(), folder.resolve()
    for path in _below(home):
        name, real = path.relative_to(home), path.resolve()
        if path.is_symlink() and not (real.exists() and real.is_relative_to(home)):
            found.strange[name.as_posix()] = "is a link that leads out of the folder"
        elif path.is_dir():
            continue
        elif path.suffix.lower() in NEVER:
            found.strange[name.as_posix()] = "is a pickle or code, which is never read"
        elif not any(part.startswith(".") for part in name.parts):
            entry = _entry(real, told, hashed, partial(keep, name.as_posix()))
            if entry is None:
                found.strange[name.as_posix()] = "is no regular file"
            else:
                found.files[name.as_posix()] = entry
    return found


def _below(home: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(home):
        yield from (Path(at, name) for name in sorted(folders + names))


def _entry(
    path: Path, told: Callable[[int], None], hashed: bool, keep: Callable[[int], None]
) -> Entry | None:
    """Size and digest by one descriptor, so that both are of the same bytes; None of a pipe or a
    device (which, opened plainly, would block)."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as data:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return None
        if not hashed:
            return Entry(bytes=status.st_size, sha256="")
        total, sha, buffer = 0, hashlib.sha256(), memoryview(bytearray(CHUNK))
        while size := data.readinto(buffer):
            sha.update(buffer[:size])
            total += size
            told(size)
        unchanged(path, os.fstat(handle), status)
        keep(handle)
    return Entry(bytes=total, sha256=sha.hexdigest())


def unchanged(path: Path, now: os.stat_result | None, before: os.stat_result) -> None:
    """Raises TransientError where the file at `path` (None = there is none) is not what it was."""

    def told(found: os.stat_result) -> tuple[int, ...]:
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    if now is None or told(now) != told(before):
        raise TransientError(f"{path} was changed while it was being read: see who writes there, "
                             "then run the same command again")  # fmt: skip


def faults(folder: Path, lock: Lock, found: Found) -> list[str]:
    """What differs from the lock, a sentence each."""
    said = dict(found.strange)
    for name in found.files.keys() - lock.files.keys():
        said[name] = "is not in the lock"
    for name in lock.files.keys() - found.files.keys() - found.strange.keys():
        said[name] = "is missing"
    for name in lock.files.keys() & found.files.keys():
        has, ought = found.files[name], lock.files[name]
        if has.bytes < ought.bytes:
            said[name] = f"is truncated: it has {has.bytes} of {ought.bytes} bytes"
        elif has.bytes != ought.bytes:
            said[name] = f"has {has.bytes} bytes, locked are {ought.bytes}"
        elif has.sha256 and has.sha256 != ought.sha256:
            said[name] = f"has another digest: {has.sha256[:16]}, locked is {ought.sha256[:16]}"
    return [f"{folder / name} {said[name]}" for name in sorted(said)] + _moved(folder, lock)


def _moved(folder: Path, lock: Lock) -> list[str]:
    """Whether someone has downloaded another revision into the folder since: the hub's client notes
    the commit in the first line of a file for each one it fetched."""
    for note in sorted((folder / NOTES).rglob("*.metadata")) if lock.commit else ():
        commit = note.read_text(errors="replace").split("\n")[0].strip()
        if commit != lock.commit:
            name = note.relative_to(folder / NOTES).with_suffix("")
            return [f"{folder / name} is of revision {commit[:12]}, locked is {lock.commit[:12]}"]
    return []


def digest(folders: Iterable[Path]) -> str:
    """sha256 (16 hex) over the names and bytes of all files below `folders`, but for hidden ones.

    A folder that holds weights must have a lock and hold what it says, to the byte. One of texts,
    such as the questions to a model, needs none.
    """
    return total((folder, judged(folder, survey(folder))) for folder in folders)


def judged(folder: Path, found: Found) -> Found:
    """`found`, if it is what the lock of `folder` says; texts need none."""
    if found.weights or read(folder):
        check(folder, found)
    return found


def total(surveyed: Iterable[tuple[Path, Found]]) -> str:
    """The digest of folders whose files were looked at, as `digest` says."""
    sha = hashlib.sha256()
    for folder, found in surveyed:
        for name, entry in sorted(found.files.items(), key=lambda item: item[0].split("/")):
            sha.update(f"{folder.name}/{name}".encode() + b"\0" + bytes.fromhex(entry.sha256))
    return sha.hexdigest()[:16]


def check(folder: Path, found: Found) -> None:
    """Refuse a folder without a lock, or one that differs from it."""
    lock = read(folder)
    if lock is None:
        raise ConfigError(f"{folder} has no lock, so nobody knows what it should hold: run "
                          "`palimpsest models fetch`, which locks what is there")  # fmt: skip
    if wrong := faults(folder, lock, found):
        more = f" (the first of {len(wrong)} faults)" if len(wrong) > 1 else ""
        raise CorruptData(f"{wrong[0]}{more}: see `palimpsest models verify`, move the folder away "
                          "and run `palimpsest models fetch`")  # fmt: skip
