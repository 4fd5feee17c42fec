"""Commit and read tar shards. All of the pipeline's data goes through here and pipeline/writer.py.

    run/shards/edit-1-sdxl/00003-5be1c0ffee15f00d.tar   named by its content
    run/shards/edit-1-sdxl/00003.json                   the manifest: linked once, the commit

A tar is streamed through a hash to a unique attempt file, fsynced, renamed; a shard without a
manifest does not exist, and a manifest is never overwritten. Plain webdataset reads our tars; we do
not write with its ShardWriter, which works at the final name and leaves short, valid-looking tars.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import codecs, disk
from pipeline.errors import CorruptData, NotReady
from pipeline.manifest import Manifest, Member, unsealed


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def datasets(self) -> Path:
        return self.path / "shards"

    @property
    def staging(self) -> Path:
        """What is being written, and what killed attempts left of it (pipeline/spool.py)."""
        return self.path / "staging"

    @property
    def diverged(self) -> Path:
        """The manifests of attempts that came second with other bytes, by dataset."""
        return self.path / "diverged"

    def manifest_path(self, dataset: str, shard: int) -> Path:
        return self.datasets / dataset / f"{shard:05d}.json"

    def committed(self, dataset: str, shard: int) -> bool:
        return disk.exists(self.manifest_path(dataset, shard))

    def manifest(self, dataset: str, shard: int) -> Manifest:
        """The committed manifest; `NotReady` if there is none, `CorruptData` if it is damaged."""
        path = self.manifest_path(dataset, shard)
        try:
            found = disk.system.stat(path)
        except FileNotFoundError:
            raise NotReady(f"{dataset} has no shard {shard:05d} yet: run its stage first") from None
        return _parsed(path, found.st_ino, found.st_mtime_ns, found.st_size)

    def tar(self, manifest: Manifest) -> Path:
        return self.datasets / manifest.dataset / manifest.tar

    def measure(self, manifest: Manifest) -> None:
        """Look at the tar's size alone. Raises CorruptData as `verify` does."""
        path = self.tar(manifest)
        try:
            found = disk.system.stat(path)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError
        except (FileNotFoundError, IsADirectoryError) as error:
            raise self.lost(manifest, error) from None
        if found.st_size != manifest.bytes:
            raise self.broken(manifest, f"{path} has {found.st_size} bytes, not {manifest.bytes}")

    def verify(self, manifest: Manifest) -> None:
        """Read the tar in full. Raises CorruptData unless it holds what was committed."""
        path = self.tar(manifest)
        try:
            sha = disk.digest(path)
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
        them stands; where it does not (another GPU), what is made from others is repaired, too."""
        return CorruptData(what, (manifest.dataset, manifest.shard), self.path)


@lru_cache(maxsize=1024)
def _parsed(path: Path, *version: int) -> Manifest:
    """A manifest is read once and asked often; `version` notices a file that was tampered with."""
    return parsed(path)


def parsed(path: Path) -> Manifest:
    """The manifest in a file, for whoever does not want it kept. `CorruptData` if it is damaged."""
    try:
        found = Manifest.model_validate_json(unsealed(disk.read(path)))
        name = f"{found.shard:05d}"
        own = (found.dataset, f"{name}.json", f"{name}-{found.sha256[:16]}.tar")
        if own == (path.parent.name, path.name, found.tar):
            return found
        what = "it is another shard's"
    except IsADirectoryError:
        what = "it is a folder"
    except ValidationError as error:
        what = f"{error.error_count()} errors"
    except ValueError as error:
        what = str(error)
    raise CorruptData(f"{path} is not a manifest ({what})", run=path.parents[2])


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
            data = disk.read(path, member.offset, member.size)
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
