"""One attempt at one shard: streamed, hashed, fsynced, renamed, and committed by a link.

What a killed attempt had finished is not lost: beside its tar it keeps a journal of its batches,
and the next attempt takes them over (pipeline/spool.py).
"""

from __future__ import annotations

import errno
import hashlib
import tarfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from pipeline import disk
from pipeline.errors import CorruptData, PalimpsestError, TransientError
from pipeline.manifest import Attempt, Manifest, Member, Rejected, sealed
from pipeline.shards import RunFolder
from pipeline.spool import SUFFIX, Journal, Spool, discard, remove, tidy

BLOCK = 512


class Writer:
    """A context manager: left without `commit`, it leaves nothing that anybody reads as a shard.

    `spool` is what earlier attempts left; without one nothing is kept for the next attempt.
    """

    def __init__(
        self, run: RunFolder, dataset: str, shard: int, spool: Spool | None = None
    ) -> None:
        self.run, self.dataset, self.shard = run, dataset, shard
        self.attempt = uuid.uuid4().hex
        self.diverged = False  # whether other bytes had been committed before ours
        disk.make_folder(run.staging)
        disk.make_folder(run.datasets / dataset)
        self._path = run.staging / f"{dataset}-{shard:05d}-{self.attempt}.part"
        # held, so that nobody's sweep takes it for what a killed attempt left
        self._file: int | None = disk.create_held(self._path)
        self._earlier = spool
        self._journal = Journal(self._path, spool.facts) if spool else None
        self._hash, self._offset = hashlib.sha256(), 0
        self._records: dict[str, tuple[Member, ...]] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._close()
        if self._journal:
            self._journal.close()
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if error is None or full or not (self._journal and self._journal.batches):
            with suppress(OSError):  # a sick disk refuses this, too; the first error counts
                remove(self._path)

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # everything that counts has been fsynced by now
                disk.system.close(file)

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
            head = header.tobuf(tarfile.USTAR_FORMAT)
            found.append(Member(name=name, offset=self._offset + len(head), size=len(data),
                                sha256=hashlib.sha256(data).hexdigest()))  # fmt: skip
            self._write(head, data, b"\0" * (-len(data) % BLOCK))
        self._records[key] = tuple(found)

    def batch_done(self, keys: Sequence[str], rejected: Sequence[Rejected], seconds: float) -> None:
        """All samples of a batch have been added or rejected, which took so many seconds: from here
        on a kill does not cost them."""
        if self._journal:
            records = {key: self._records[key] for key in keys if key in self._records}
            self._journal.add(keys, records, rejected, seconds)

    def supersede(self) -> None:
        """All that could be taken over has been: earlier attempts need no room any more, if they
        are dead. Only where locks tell; elsewhere two attempts could rob each other for ever."""
        if self._earlier and disk.held(self._path):
            for part in self._earlier.leave():
                discard(part)
                discard(part.with_suffix(SUFFIX))

    def _write(self, *parts: bytes) -> None:
        assert self._file is not None
        try:
            disk.write(self._file, *parts)
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise
        for part in parts:
            self._hash.update(part)
            self._offset += len(part)

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
        self._publish(manifest)
        winner = self.run.manifest(self.dataset, self.shard)
        if winner.tar != manifest.tar:  # somebody else's different bytes stand; ours are nobody's
            self._keep(manifest)
            disk.system.remove(self.run.tar(manifest))
            self.diverged = True
        tidy(self.run, self.dataset, self.shard)
        return winner

    def _publish(self, manifest: Manifest) -> None:
        assert self._file is not None
        tar = self.run.tar(manifest)
        try:
            disk.system.sync(self._file)
            # The old name stays until the manifest is there: a kill in between costs no batch.
            disk.link_over(self._path, tar, move=True)
            disk.link_once(
                self.run.manifest_path(self.dataset, self.shard),
                sealed(manifest),
            )
            self._close()
        except IsADirectoryError:
            raise CorruptData(f"{tar} is a folder where a tar belongs: delete it, then run the "
                              "same command again") from None  # fmt: skip
        except FileNotFoundError as error:
            raise TransientError(
                f"{error.filename or self._path} was removed before it was committed (is another "
                f"palimpsest at work in {self.run.path}?): run the same command again"
            ) from None
        except OSError as error:
            error.filename = error.filename or str(self._path)
            raise

    def _keep(self, manifest: Manifest) -> None:
        """What was not committed, without its tar: whoever asks why two attempts differ finds the
        digest of each member."""
        name = f"{manifest.tar.removesuffix('.tar')}.json"
        disk.replace(self.run.diverged / self.dataset / name, sealed(manifest))
