"""A disk all of whose calls go through one method, for those who count, fail or schedule them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.disk import System


class Calls(System):
    """`_call` decides what becomes of a call; `_real` does it."""

    def _call(self, name: str, *args: Any) -> Any:
        raise NotImplementedError

    def _real(self, name: str, *args: Any) -> Any:
        return getattr(System, name)(self, *args)

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
        self._call("close", file)

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace", source, target)

    def link(self, source: Path, target: Path) -> None:
        self._call("link", source, target)

    def remove(self, path: Path) -> None:
        self._call("remove", path)

    def discard(self, path: Path) -> None:
        self._call("discard", path)

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)

    def names(self, folder: Path) -> list[str]:
        return self._call("names", folder)  # type: ignore[no-any-return]

    def stat(self, path: Path) -> os.stat_result:
        return self._call("stat", path)  # type: ignore[no-any-return]

    def sync_folder(self, folder: Path) -> None:
        self._call("sync_folder", folder)
