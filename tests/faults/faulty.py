"""A disk on which one call fails, in a chosen way; after a crash the process is dead and nothing it
still tries has an effect."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pipeline import disk
from pipeline.disk import System
from tests.faults.calls import Calls
from tests.faults.counts import soaking

ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "ESTALE": errno.ESTALE}
if soaking():
    ERRORS |= {"EDQUOT": errno.EDQUOT, "EINTR": errno.EINTR}
#: `EIO after` is a server whose answer was lost: it did what it was asked to.
FAULTS = ("crash before", "crash after", *ERRORS, "EIO after", "short write")


class Crash(BaseException):
    """The process is gone."""


class FaultyDisk(Calls):
    """Counts calls; the one with number `at` (from 0) suffers `fault`."""

    def __init__(self, at: int = -1, fault: str = "") -> None:
        self.at, self.fault, self.calls, self.dead = at, fault, 0, False
        #: Files whose sync failed: what the kernel could not write, it has forgotten.
        self.lost = set[int]()

    def _call(self, name: str, *args: Any) -> Any:
        if self.dead:
            if name == "close":  # the kernel closes what a dead process had open
                return self._real(name, *args)
            raise Crash
        assert not (name == "sync" and args[0] in self.lost), "synced again after it had failed"
        if name == "close":
            self.lost.discard(args[0])
        number, self.calls = self.calls, self.calls + 1
        real = partial(self._real, name)
        if number != self.at:
            return real(*args)
        if name == "sync" and self.fault in (*ERRORS, "EIO after"):
            self.lost.add(args[0])
        if name == "close" and self.fault in ("crash before", *ERRORS):
            real(*args)  # the kernel closes it, whatever it says, and what a dead process had open
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


@contextmanager
def installed(system: System) -> Iterator[None]:
    before, disk.system = disk.system, system
    try:
        yield
    finally:
        disk.system = before
