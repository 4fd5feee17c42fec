"""Write, commit and read tar shards. All of the pipeline's data goes through here.

    run/shards/edit-1-sdxl/00003-5be1c0ffee15f00d.tar   named by its content
    run/shards/edit-1-sdxl/00003.json                   the manifest: linked once, the commit

A tar is streamed through a hash to a unique attempt file, fsynced, renamed; a shard without a
manifest does not exist, and a manifest is never overwritten. Plain webdataset reads our tars; we do
not write with its ShardWriter, which works at the final name and leaves short, valid-looking tars.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import codecs, disk
from pipeline.errors import CorruptData, NotReady, PalimpsestError, TransientError
from pipeline.manifest import Attempt, Manifest, Member, Rejected

BLOCK = 512


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def datasets(self) -> Path:
        return self.path / "shards"

    @property
    def diverged(self) -> Path:
        """The manifests of attempts that came second with other bytes, by dataset."""
        return self.path / "diverged"

    def manifest_path(self, dataset: str, shard: int) -> Path:
        return self.datasets / dataset / f"{shard:05d}.json"

    def committed(self, dataset: str, shard: int) -> bool:
        return self.manifest_path(dataset, shard).exists()

    def manifest(self, dataset: str, shard: int) -> Manifest:
        """The committed manifest; `NotReady` if there is none, `CorruptData` if it is damaged."""
        path = self.manifest_path(dataset, shard)
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise NotReady(f"{dataset} has no shard {shard:05d} yet: run its stage first") from None
        return _parsed(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def tar(self, manifest: Manifest) -> Path:
        return self.datasets / manifest.dataset / manifest.tar

    def measure(self, manifest: Manifest) -> None:
        """Look at the tar's size alone. Raises CorruptData as `verify` does."""
        path = self.tar(manifest)
        try:
            size = path.stat().st_size
            if path.is_dir():
                raise IsADirectoryError
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self.lost(manifest, error) from None
        if size != manifest.bytes:
            raise self.broken(manifest, f"{path} has {size} bytes, not {manifest.bytes}")

    def verify(self, manifest: Manifest) -> None:
        """Read the tar in full. Raises CorruptData, which says what to delete, unless it holds the
        bytes that were committed."""
        path = self.tar(manifest)
        try:
            with open(path, "rb") as tar:
                sha = hashlib.file_digest(tar, "sha256").hexdigest()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self.lost(manifest, error) from None
        if sha != manifest.sha256:
            raise self.broken(manifest, f"{path} does not match its digest")

    def lost(self, manifest: Manifest, error: OSError) -> CorruptData:
        """The error to raise where the tar of a manifest that stands could not be opened."""
        what = "is a folder" if isinstance(error, IsADirectoryError) else "is gone"
        return self.broken(manifest, f"{self.tar(manifest)} {what}, but its manifest stands")

    def broken(self, manifest: Manifest, what: str) -> CorruptData:
        """`what` and the way out. A stage makes the same bytes again, so that what others made from
        them stands; where it does not (another GPU), the audit names what is made from others."""
        beside = self.manifest_path(manifest.dataset, manifest.shard).name
        return CorruptData(f"{what}: delete it and {beside} beside it, then run the same command "
                           "again to have both made again")  # fmt: skip


@lru_cache(maxsize=1024)
def _parsed(path: Path, *version: int) -> Manifest:
    """A manifest is read once and asked often; `version` notices a file that was tampered with."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except IsADirectoryError:
        what = "it is a folder"
    except ValidationError as error:
        what = f"{error.error_count()} errors"
    raise CorruptData(f"{path} is not a manifest ({what}): delete it, then run the same command "
                      "again to have it made again")  # fmt: skip


class Writer:
    """One attempt at one shard. A context manager: left without `commit`, it leaves nothing."""

    def __init__(self, run: RunFolder, dataset: str, shard: int) -> None:
        self.run, self.dataset, self.shard = run, dataset, shard
        self.attempt = uuid.uuid4().hex
        self._staging = run.path / "staging"
        self._staging.mkdir(parents=True, exist_ok=True)
        (run.datasets / dataset).mkdir(parents=True, exist_ok=True)
        self._path = self._staging / f"{dataset}-{shard:05d}-{self.attempt}.part"
        self._out = open(self._path, "xb")  # noqa: SIM115 - closed by commit or __exit__
        disk.hold(self._out)  # so that nobody's sweep takes it for what a killed attempt left
        self._hash, self._offset = hashlib.sha256(), 0
        self._records: dict[str, tuple[Member, ...]] = {}
        self.diverged = False  # whether other bytes had been committed before ours

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk refuses the last flush too; the first error counts
            self._out.close()
        self._path.unlink(missing_ok=True)

    def add(self, key: str, members: Sequence[tuple[str, bytes]]) -> None:
        """Append one sample: `members` are (name after the key, bytes). Keys come in order."""
        if self._records and key <= next(reversed(self._records)):
            raise PalimpsestError(
                f"{self.dataset}: key {key} came after {next(reversed(self._records))}"
            )
        found = []
        for name, data in sorted(members):
            header = tarfile.TarInfo(f"{key}.{name}")
            header.size, header.mode = len(data), 0o644
            self._write(header.tobuf(tarfile.USTAR_FORMAT))
            digest = hashlib.sha256(data).hexdigest()
            found.append(Member(name=name, offset=self._offset, size=len(data), sha256=digest))
            self._write(data)
            self._write(b"\0" * (-len(data) % BLOCK))
        self._records[key] = tuple(found)

    def _write(self, data: bytes) -> None:
        try:
            self._out.write(data)
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
        self._hash.update(data)
        self._offset += len(data)

    def commit(
        self,
        ids_in: Iterable[str],
        rejected: Iterable[Rejected],
        parents: Mapping[str, str],
        facts: Mapping[str, str],
        attempt: Mapping[str, Any],
    ) -> Manifest:
        """Publish the shard and return the manifest that stands: ours, or an earlier winner's."""
        self._write(b"\0" * BLOCK * 2)
        sha = self._hash.hexdigest()
        manifest = Manifest(
            dataset=self.dataset, shard=self.shard, tar=f"{self.shard:05d}-{sha[:16]}.tar",
            bytes=self._offset, sha256=sha, ids_in=tuple(ids_in), records=self._records,
            rejected=tuple(rejected), parents=dict(parents), **facts,
            attempt=Attempt(id=self.attempt, **attempt),
        )  # fmt: skip
        if not manifest.balanced():
            raise PalimpsestError(f"{self.dataset} shard {self.shard:05d}: in != out + rejected")
        try:
            self._out.flush()
            os.fsync(self._out.fileno())
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
        self._publish(manifest)
        winner = self.run.manifest(self.dataset, self.shard)
        if winner.tar != manifest.tar:  # somebody else's different bytes stand; ours are nobody's
            self._keep(manifest)
            self.run.tar(manifest).unlink(missing_ok=True)
            self.diverged = True
        return winner

    def _keep(self, manifest: Manifest) -> None:
        """What was not committed, without its tar: whoever asks why two attempts differ finds the
        digest of each member."""
        name = f"{manifest.tar.removesuffix('.tar')}.json"
        disk.replace(self.run.diverged / self.dataset / name, manifest.model_dump_json().encode())

    def _publish(self, manifest: Manifest) -> None:
        """The tar gets its name while it is still open, and so held; then the manifest appears."""
        tar = self.run.tar(manifest)
        try:
            os.replace(self._path, tar)
            self._out.close()
            disk.sync_folder(tar.parent)
            disk.link_once(
                self.run.manifest_path(self.dataset, self.shard),
                manifest.model_dump_json().encode(),
            )
        except IsADirectoryError:
            raise CorruptData(f"{tar} is a folder where a tar belongs: delete it, then run the "
                              "same command again") from None  # fmt: skip
        except FileNotFoundError as error:
            raise TransientError(
                f"{error.filename or self._path} was removed before it was committed (is another "
                f"palimpsest at work in {self.run.path}?): run the same command again"
            ) from None


@dataclass
class Row:
    """One sample as seen through the layers of several datasets: the last layer that has a member
    wins, as on a palimpsest. Nothing is read from disk until a field is asked for."""

    key: str
    run: RunFolder
    found: dict[str, tuple[Manifest, Member]] = field(default_factory=dict)

    def raw(self, name: str) -> bytes | None:
        """The bytes of a member, verified against its digest; None if no layer has it."""
        if name not in self.found:
            return None
        manifest, member = self.found[name]
        path = self.run.tar(manifest)
        try:
            with open(path, "rb") as tar:
                tar.seek(member.offset)
                data = tar.read(member.size)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self.run.lost(manifest, error) from None
        if hashlib.sha256(data).hexdigest() != member.sha256:
            what = f"{path} is damaged, {self.key}.{name} does not match its digest"
            raise self.run.broken(manifest, what)
        return data

    def get(self, name: str, kind: str) -> Any:
        """A decoded field, or None."""
        data = self.raw(codecs.member(name, kind))
        return None if data is None else codecs.decode(kind, data)

    def has(self, record: type) -> bool:
        """Whether every field that `record` requires is there."""
        wanted = codecs.columns(record).items()
        return all(opt or codecs.member(name, kind) in self.found for name, (kind, opt) in wanted)

    def read(self, record: type[Any]) -> Any:
        """The record `record(key, ...)` of this sample."""
        wanted = codecs.columns(record).items()
        return record(self.key, **{name: self.get(name, kind) for name, (kind, _) in wanted})


@dataclass(frozen=True)
class Joined:
    """Shard N of several datasets, laid over one another by key."""

    run: RunFolder
    manifests: tuple[Manifest, ...]

    @cached_property
    def rows(self) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for manifest in self.manifests:
            for key, members in manifest.records.items():
                row = found.setdefault(key, Row(key, self.run))
                row.found.update({member.name: (manifest, member) for member in members})
        return dict(sorted(found.items()))

    @property
    def parents(self) -> dict[str, str]:
        return {manifest.dataset: manifest.sha256 for manifest in self.manifests}


def join(run: RunFolder, datasets: Iterable[str], shard: int) -> Joined:
    """Lay shard `shard` of `datasets` over one another, in this order."""
    return Joined(run, tuple(run.manifest(dataset, shard) for dataset in datasets))
