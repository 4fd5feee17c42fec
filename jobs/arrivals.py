"""What a download says while it goes on: each file as it begins, and every half minute how far they
all are.

How far is read off the disk, whatever the hub's client does in between: what is counted has
arrived, and a download that stands still is seen to stand still.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pipeline import events
from pipeline.events import Size, Span
from pipeline.reading import bar

#: Seconds between two lines, and between two looks at the disk for a bar in a terminal.
EVERY, OFTEN = 30.0, 0.5
#: How the hub's client names what it is just fetching, wherever it puts it.
UNFINISHED = "*.incomplete"


class Arrivals:
    """Watches the folder that files of known `sizes` (bytes) are fetched to, while it is entered.
    `there` are those that an earlier try has fetched."""

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self._folder, self._sizes = folder, sizes
        self._left = set(self._unfinished())  # by a try that was killed; nobody goes on there
        self.there = {name for name, size in sizes.items() if size and self._length(name) == size}
        self._total, self._most = sum(sizes.values()), 0
        self._over, self._speech = threading.Event(), threading.Lock()
        self._watch = threading.Thread(target=self._look, name="arrivals", daemon=True)

    def __enter__(self) -> Arrivals:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def begins(self, name: str) -> None:
        """A file is about to be fetched; nothing is said of one that is there."""
        if name not in self.there:
            with self._speech:
                events.say("download-file", "fetches {file}: {bytes:size}", file=name,
                           bytes=Size(self._sizes[name]))  # fmt: skip

    def arrived(self) -> int:
        """Bytes of all files so far; never fewer than before."""
        found = sum(min(self._length(name), size) for name, size in self._sizes.items())
        found += sum(_stored(path) for path in self._unfinished() if path not in self._left)
        self._most = min(max(self._most, found), self._total)
        return self._most

    def _length(self, name: str) -> int:
        with suppress(OSError):
            return (self._folder / name).stat().st_size
        return 0

    def _unfinished(self) -> list[Path]:
        with suppress(OSError):  # they come and go
            return list(self._folder.rglob(UNFINISHED))
        return []

    def _look(self) -> None:
        """Until all is over: draw in a terminal, and speak everywhere."""
        spoken, before = time.monotonic(), self.arrived()
        drawn = before
        with bar(self._total, what="fetching") as told:
            told(drawn)
            while not self._over.wait(OFTEN if sys.stderr.isatty() else EVERY):
                now = self.arrived()
                told(now - drawn)
                drawn = now
                if (seconds := time.monotonic() - spoken) >= EVERY:
                    self._say(now, (now - before) / seconds)
                    spoken, before = spoken + seconds, now

    def _say(self, arrived: int, rate: float) -> None:
        """`rate` is in bytes/s, since the last time."""
        to_go = Span(round((self._total - arrived) / rate, 1)) if rate else None
        how = ", {bytes_per_second:size}/s, {seconds_to_go:span} to go" if rate else (
            ", nothing came of late"
        )  # fmt: skip
        with self._speech:
            events.say("download-progress", "{arrived:size} of {bytes:size}" + how,
                       arrived=Size(arrived), bytes=Size(self._total),
                       bytes_per_second=Size(rate), seconds_to_go=to_go)  # fmt: skip


def _stored(path: Path) -> int:
    """Bytes on the disk: of a file that is written here and there, fewer than its length."""
    with suppress(OSError):
        found = path.stat()
        return min(found.st_size, 512 * found.st_blocks)
    return 0
