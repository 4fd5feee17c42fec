"""A disk on which one call fails, in a chosen way; after a crash the process is dead and nothing it
still tries has an effect."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import disk
from pipeline.disk import System

ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "ESTALE": errno.ESTALE}
#: `EIO after` is a server whose answer was lost: it did what it was asked to.
FAULTS = ("crash before", "crash after", *ERRORS, "EIO after", "short write")


class Crash(BaseException):
    """The process is gone."""


class FaultyDisk(System):
    """Counts calls; the one with number `at` (from 0) suffers `fault`."""

    def __init__(self, at: int = -1, fault: str = "") -> None:
        self.at, self.fault, self.calls, self.dead = at, fault, 0, False
        self.names_called: list[str] = []

    def _call(self, name: str, *args: Any) -> Any:
        if self.dead:
            raise Crash
        number, self.calls = self.calls, self.calls + 1
        self.names_called.append(name)
        real = getattr(super(), name)
        if number != self.at:
            return real(*args)
        if self.fault in ERRORS:
            code = ERRORS[self.fault]
            raise OSError(code, os.strerror(code))
        if self.fault == "short write":
            return self._short(*args) if name == "write" else real(*args)
        if self.fault == "EIO after":
            real(*args)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.dead = True
        if self.fault == "crash after":
            real(*args)
        raise Crash

    @staticmethod
    def _short(file: int, parts: Sequence[memoryview]) -> int:
        whole = b"".join(parts)
        return os.write(file, whole[: max(1, len(whole) // 2)])

    def create(self, path: Path) -> int:
        return self._call("create", path)  # type: ignore[no-any-return]

    def open(self, path: Path) -> int:
        return self._call("open", path)  # type: ignore[no-any-return]

    def read(self, file: int, size: int, offset: int) -> bytes:
        return self._call("read", file, size, offset)  # type: ignore[no-any-return]

    def write(self, file: int, parts: Sequence[memoryview]) -> int:
        return self._call("write", file, parts)  # type: ignore[no-any-return]

    def sync(self, file: int) -> None:
        self._call("sync", file)

    def close(self, file: int) -> None:
        if self.dead:  # the kernel closes what a dead process had open
            super().close(file)
        else:
            self._call("close", file)

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace", source, target)

    def link(self, source: Path, target: Path) -> None:
        self._call("link", source, target)

    def remove(self, path: Path) -> None:
        self._call("remove", path)

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)

    def names(self, folder: Path) -> list[str]:
        return self._call("names", folder)  # type: ignore[no-any-return]

    def stat(self, path: Path) -> os.stat_result:
        return self._call("stat", path)  # type: ignore[no-any-return]

    def sync_folder(self, folder: Path) -> None:
        self._call("sync_folder", folder)


@contextmanager
def installed(system: System) -> Iterator[None]:
    before, disk.system = disk.system, system
    try:
        yield
    finally:
        disk.system = before
