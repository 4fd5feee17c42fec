"""What attempts that were killed had finished of a shard, for the next one to take over.

    run/staging/edit-1-sdxl-00003-<attempt>.part      the tar, as far as it came
    run/staging/edit-1-sdxl-00003-<attempt>.journal   a line for each batch that is in it

Nothing here is trusted: a batch is taken only if it was made from the same bytes, by the same code,
model and settings, and if each member matches its digest. It is copied, never continued in place,
so it does not matter whether its owner is really dead. Losing the spool costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import disk
from pipeline.documents import Doc
from pipeline.manifest import Member, Rejected
from pipeline.shards import RunFolder

SUFFIX = ".journal"
_PART = re.compile(r"(.+)-(\d{5,})-[0-9a-f]{32}\.(?:part|journal)")


class Batch(Doc):
    """A line of a journal. `seconds` are those it took to make."""

    keys: tuple[str, ...]
    records: dict[str, tuple[Member, ...]]
    rejected: tuple[Rejected, ...]
    seconds: float


@dataclass(frozen=True)
class Saved:
    """A batch whose bytes were read and match their digests."""

    members: dict[str, list[tuple[str, bytes]]]
    rejected: tuple[Rejected, ...]
    seconds: float


def owner(name: str) -> tuple[str, int] | None:
    """The dataset and shard that a file in the staging folder is an attempt at, None = of none."""
    match = _PART.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def remove(part: Path) -> None:
    """An attempt's tar and its journal."""
    disk.system.remove(part)
    disk.system.remove(part.with_suffix(SUFFIX))


def discard(path: Path) -> None:
    """Remove what an attempt left, unless it may be alive."""
    if path.suffix != SUFFIX:
        disk.system.discard(path)
    elif not _at_work(path):
        disk.system.remove(path)


def tidy(run: RunFolder, dataset: str, shard: int) -> None:
    """Remove what attempts at a shard left that is committed by now; not those still at work."""
    with suppress(OSError):  # it costs room, nothing else
        for name in disk.system.names(run.staging):
            path = run.staging / name
            if owner(name) == (dataset, shard):
                discard(path)


def useless(run: RunFolder, path: Path) -> bool:
    """Whether a file of the staging folder is an attempt's that nobody works at, and of no use to
    the next one: it has no journal (or no tar), or its shard is committed."""
    whose = owner(path.name)
    if whose is None or not path.is_file() or _at_work(path):
        return False
    pair = path.with_suffix(".part").exists() and path.with_suffix(SUFFIX).exists()
    return not pair or run.committed(*whose)


def _at_work(path: Path) -> bool:
    """Whether the attempt that a file belongs to may be alive: it holds its tar until that has its
    final name."""
    part = path.with_suffix(".part")
    return part.exists() and disk.held(part)


class Journal:
    """Written as batches are done; its file appears with the first of them. Not fsynced: after a
    power cut its digests tell what is really there."""

    def __init__(self, part: Path, facts: str) -> None:
        self._path, self._facts = part.with_suffix(SUFFIX), facts
        self._file: int | None = None
        self.batches = 0

    def add(
        self, keys: Sequence[str], records: Mapping[str, tuple[Member, ...]],
        rejected: Sequence[Rejected], seconds: float,
    ) -> None:  # fmt: skip
        batch = Batch(keys=tuple(keys), records=dict(records), rejected=tuple(rejected),
                      seconds=seconds)  # fmt: skip
        line = batch.model_dump_json().encode()
        try:
            if self._file is None:
                self._file = disk.system.create(self._path)
                disk.write(self._file, f"{self._facts}\n".encode())
            disk.write(self._file, _check(line), b" ", line, b"\n")
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
        self.batches += 1

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                disk.system.close(self._file)
            self._file = None


class Spool:
    """What earlier attempts at a shard left, if it was made from the same facts; `facts` is the
    digest of ours."""

    def __init__(self, run: RunFolder, dataset: str, shard: int, facts: Mapping[str, str]) -> None:
        self._known: dict[tuple[str, ...], tuple[Path, Batch]] = {}
        self.facts = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()
        for journal in _journals(run, dataset, shard):
            with suppress(OSError):
                head, _, rest = disk.read(journal).partition(b"\n")
                if head == self.facts.encode():
                    for batch in _lines(rest):
                        self._known[batch.keys] = journal.with_suffix(".part"), batch

    def knows(self, keys: Sequence[str]) -> bool:
        """Whether there may be such a batch; its bytes are looked at by `take`."""
        return tuple(keys) in self._known

    def leave(self) -> list[Path]:
        """The tars of the earlier attempts, of which no batch is taken any more."""
        parts = sorted({part for part, _ in self._known.values()})
        self._known.clear()
        return parts

    def take(self, keys: Sequence[str]) -> Saved | None:
        """The batch of exactly these samples, None if there is none, or not whole."""
        if (found := self._known.get(tuple(keys))) is None:
            return None
        part, batch = found
        members: dict[str, list[tuple[str, bytes]]] = {}
        for key, recorded in batch.records.items():
            members[key] = []
            for member in recorded:
                try:
                    data = disk.read(part, member.offset, member.size)
                except OSError:
                    return None
                if hashlib.sha256(data).hexdigest() != member.sha256:
                    return None
                members[key].append((member.name, data))
        return Saved(members, batch.rejected, batch.seconds)


def _journals(run: RunFolder, dataset: str, shard: int) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        for name in sorted(disk.system.names(run.staging)):
            if name.endswith(SUFFIX) and owner(name) == (dataset, shard):
                yield run.staging / name


def _lines(data: bytes) -> Iterator[Batch]:
    """Up to the first line that is not whole."""
    *lines, _ = data.split(b"\n")
    for line in lines:
        check, _, text = line.partition(b" ")
        if check != _check(text):
            return
        yield Batch.model_validate_json(text)


def _check(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest()[:16].encode()
