"""What the commit protocol asks of a file system, each tried once in a folder of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pipeline import disk
from pipeline.code import ROOT
from pipeline.errors import PermanentError, TransientError
from pipeline.runs import MINIMUM_FREE

#: Seconds; far less than `palimpsest gc` waits before it takes a file for a leftover.
SKEW = 300.0
#: A second process in the folder argv[1]: reads, tries the lock, answers. It imports this package.
OTHER = """
import sys
from pathlib import Path
from pipeline import disk
here = Path(sys.argv[1])
said = (here / "ours").read_bytes() + (b" held" if disk.held(here / "lock") else b" free")
disk.replace(here / "theirs", said)
"""


def writable(here: Path) -> str:
    """A file is written, synced and listed."""
    try:
        here.mkdir()
    except FileNotFoundError:
        raise PermanentError(
            f"there is no folder {here.parent}: make it, or mount the claim there"
        ) from None
    except NotADirectoryError:
        raise PermanentError(f"{here.parent} is a file: give a folder with --data") from None
    except PermissionError:
        raise PermanentError(
            f"uid {os.geteuid()} may not write here: give the folder to it, or in a pod set "
            "fsGroup, on a class whose driver honours that"
        ) from None
    disk.replace(here / "ours", b"first")
    return f"uid {os.geteuid()} may write, fsync of files and folders works"


def renames(here: Path) -> str:
    disk.replace(here / "ours", b"second")
    left = sorted(path.name for path in here.iterdir())
    if (here / "ours").read_bytes() != b"second" or left != ["ours"]:
        raise PermanentError(f"after a rename over a file there are {left}: the file system is "
                             "not POSIX, choose another")  # fmt: skip
    return "a file is replaced whole"


def first_wins(here: Path) -> str:
    disk.link_once(here / "once", b"first")
    disk.link_once(here / "once", b"second")
    if (here / "once").read_bytes() != b"first":
        raise PermanentError("a second writer overwrote a committed file: two pods could spoil "
                             "each other's work, choose another file system")  # fmt: skip
    try:
        os.link(here / "once", here / "linked")
    except OSError as error:
        if error.errno not in disk.NO_LINKS:
            raise
        return "by O_EXCL, as there are no hard links here: a little slower"
    return "by hard link"


def others(here: Path) -> str:
    """What one process writes, another one sees at once, and so do locks."""
    with open(here / "lock", "wb") as lock:
        disk.hold(lock)
        done = subprocess.run(
            [sys.executable, "-c", OTHER, str(here)], capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if done.returncode or not (here / "theirs").exists():
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise PermanentError(f"a second process could not work here ({last}): choose a file "
                             "system that several processes may use")  # fmt: skip
    said = (here / "theirs").read_bytes()
    if not said.startswith(b"second"):
        raise PermanentError("a second process read an old file: mount without a cache of names "
                             "and data (NFS: actimeo=0 or noac)")  # fmt: skip
    return "see each other's files and locks" if said.endswith(b"held") else (
        "see each other's files; there are no locks, so what killed attempts left stays until "
        "nothing is at work"
    )  # fmt: skip


def case(here: Path) -> str:
    disk.replace(here / "Name", b"upper")
    disk.replace(here / "name", b"lower")
    if disk.read(here / "Name") != b"upper":
        raise PermanentError("two names that differ in case are one file: choose a file system "
                             "that tells them apart")  # fmt: skip
    return "names that differ in case are two files"


def clock(here: Path) -> str:
    """Only what is old is collected as a leftover, by the clock of whoever collects."""
    disk.replace(here / "now", b"")
    apart = abs(disk.system.stat(here / "now").st_mtime - time.time())
    if apart > SKEW:
        raise PermanentError(f"the file system's clock is {apart:.0f} s apart from this machine's: "
                             "set both by NTP")  # fmt: skip
    return f"within {max(apart, 1):.0f} s of this machine's"


def space(data: Path) -> str:
    found = os.statvfs(data)
    free = found.f_bavail * found.f_frsize
    if free < MINIMUM_FREE:
        raise TransientError(
            f"{free >> 20} MiB are free, {MINIMUM_FREE >> 20} MiB are the least: make room"
        )
    return f"{free / 2**30:.1f} GiB are free"
