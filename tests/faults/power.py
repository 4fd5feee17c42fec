"""What a disk may hold after the power was cut: everything that was fsynced, and of the rest any
part.

A `Recorder` writes down the calls of a run. `states` plays them into a model of a disk, in which
bytes are sure once their file is synced and names once their folder is, cuts the power after any
call, and draws what of the unsure survives: nothing, everything, names without bytes, bytes cut
short or scrambled, single names dropped.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.disk import System


@dataclass
class File:
    """`sure` bytes are on the disk, `now` is what the process believes."""

    now: bytes = b""
    sure: bytes = b""


@dataclass
class Folder:
    """Names of files and folders; `pending` are the changes since the last sync, in order: a name
    and what it stands for from then on, None = removed."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    sure: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def put(self, name: str, what: File | Folder | None) -> None:
        self.pending.append((name, what))
        if what is None:
            self.now.pop(name, None)
        else:
            self.now[name] = what

    def sync(self) -> None:
        self.sure, self.pending = dict(self.now), []


Call = tuple[str, tuple[str, ...], bytes]


class Recorder(System):
    """The real disk, which writes down what changes below `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, list[Call]()
        self._names: dict[int, str] = {}

    def _note(self, what: str, *paths: Path | str, data: bytes = b"") -> None:
        named = tuple(one if isinstance(one, str) else str(one.relative_to(self.root))
                      for one in paths)  # fmt: skip
        self.calls.append((what, named, data))

    def create(self, path: Path) -> int:
        file = super().create(path)
        self._names[file] = str(path.relative_to(self.root))
        self._note("create", path)
        return file

    def write(self, file: int, parts: Sequence[memoryview]) -> int:
        done = super().write(file, parts)
        self._note("write", self._names[file], data=b"".join(parts)[:done])
        return done

    def sync(self, file: int) -> None:
        super().sync(file)
        self._note("sync", self._names[file])

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self._note("replace", source, target)
        old, new = str(source.relative_to(self.root)), str(target.relative_to(self.root))
        self._names = {file: new if name == old else name for file, name in self._names.items()}

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self._note("link", source, target)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._note("remove", path)

    def discard(self, path: Path) -> None:
        super().discard(path)
        if not path.exists():
            self._note("remove", path)

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self._note("make_folder", path)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self._note("sync_folder", folder)


def _folder(root: Folder, path: Path) -> Folder:
    for part in path.parts:
        found = root.now[part]
        assert isinstance(found, Folder)
        root = found
    return root


def play(root: Folder, call: Call) -> None:
    """Do to the model what was done to the disk."""
    what, names, data = call
    paths = [Path(name) for name in names]
    homes = [_folder(root, path.parent) for path in paths]
    found = homes[0].now.get(paths[0].name)
    if what == "create":
        homes[0].put(paths[0].name, File())
    elif what == "write":
        assert isinstance(found, File)
        found.now += data
    elif what == "sync":
        assert isinstance(found, File)
        found.sure = found.now
    elif what in ("replace", "link"):
        assert found is not None
        homes[1].put(paths[1].name, found)
        if what == "replace":
            homes[0].put(paths[0].name, None)
    elif what == "remove":
        homes[0].put(paths[0].name, None)
    elif what == "make_folder":
        if found is None:
            homes[0].put(paths[0].name, Folder())
    elif what == "sync_folder":
        (root if names[0] == "." else _folder(root, paths[0])).sync()


def survivors(folder: Folder, draw: random.Random, mood: str) -> dict[str, bytes | dict]:  # type: ignore[type-arg]
    """What is found on the disk: all that was sure, and of the rest what `mood` leaves."""
    names = dict(folder.sure)
    for name, what in folder.pending:
        kept = {"nothing": False, "one name lost": draw.random() < 0.8}.get(
            mood, mood != "anything" or draw.random() < 0.5
        )
        if kept and what is None:
            names.pop(name, None)
        elif kept and what is not None:
            names[name] = what
    found: dict[str, bytes | dict] = {}  # type: ignore[type-arg]
    for name, what in names.items():
        if isinstance(what, Folder):
            found[name] = survivors(what, draw, mood)
        else:
            found[name] = _bytes(what, draw, mood)
    return found


def _bytes(file: File, draw: random.Random, mood: str) -> bytes:
    """What was synced stays; of what was written after, any part, or zeros in its place."""
    extra = file.now[len(file.sure) :]
    if mood == "everything" or not extra:
        return file.now if mood == "everything" else file.sure
    if mood in ("nothing", "names without bytes"):
        return file.sure
    end = draw.randrange(len(extra) + 1)
    if draw.random() < 0.5:
        return file.sure + extra[:end]
    return file.sure + b"\0" * end + extra[end:]


MOODS = ("nothing", "everything", "names without bytes", "bytes cut short", "one name lost",
         "anything")  # fmt: skip


def states(calls: Sequence[Call], seed: int) -> Iterator[tuple[int, str, dict[str, bytes | dict]]]:  # type: ignore[type-arg]
    """Endless: after which call the power was cut, in which mood, and the tree that is left."""
    draw = random.Random(seed)
    while True:
        root = Folder()
        for number, call in enumerate(calls):
            play(root, call)
            mood = MOODS[draw.randrange(len(MOODS))]
            yield number, mood, survivors(root, draw, mood)


def materialise(tree: dict[str, bytes | dict], path: Path) -> None:  # type: ignore[type-arg]
    path.mkdir()
    for name, what in tree.items():
        if isinstance(what, dict):
            materialise(what, path / name)
        else:
            with open(path / name, "wb") as out:
                out.write(what)
    assert os.path.isdir(path)
