"""A bar for whoever waits while much is read to the last byte; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.shards import RunFolder

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

#: Bytes of a run below which reading takes seconds, and a bar would only flicker.
WORTH_A_BAR = 1 << 30


def stored(run: RunFolder, kind: str = "tar") -> int:
    """Bytes of a run's tars, or of its manifests (`json`)."""
    total = 0
    for path in run.datasets.glob(f"*/*.{kind}"):
        with suppress(FileNotFoundError):  # a run at work removes what lost against a first writer
            total += path.stat().st_size
    return total


@contextmanager
def count_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told how many more of `total` things are done; draws in a terminal
    only (stderr)."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.progress import MofNCompleteColumn

    with _drawn(what, MofNCompleteColumn(), total) as told:
        yield told


@contextmanager
def bar(total: int, least: int = 0, what: str = "reading") -> Iterator[Callable[[int], None]]:
    """Yields a function to be told how many of `total` bytes were read; draws in a terminal only
    (stderr), and only for more than `least` bytes."""
    if total <= least or not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.progress import DownloadColumn  # not for `--help`, nor for small runs

    with _drawn(what, DownloadColumn(), total) as told:
        yield told


@contextmanager
def _drawn(what: str, counted: ProgressColumn, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TimeRemainingColumn

    columns = (what, BarColumn(32), counted, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda size: shown.advance(task, size)
