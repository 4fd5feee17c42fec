"""A process that sleeps at any call to the disk while another does its work, and then wakes up: it
changes nothing that stands, and ends with a code that says what to do."""

import errno
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import disk, gc, runs
from pipeline.errors import OK, TRANSIENT
from pipeline.loop import work
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.calls import Calls
from tests.faults.counts import SEED, count, limit, seed
from tests.faults.faulty import FaultyDisk, installed
from tests.faults.forks import forked, waited

pytestmark = pytest.mark.slow
#: Who falls asleep, in the midst of one shard of three batches.
SLEEPER = mini.STAGES[0]


class SleepyDisk(Calls):
    """Stops its process before the call with number `at` (from 0)."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def _call(self, name: str, *args: Any) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number == self.at:
            os.kill(os.getpid(), signal.SIGSTOP)
        return self._real(name, *args)


def half(run: RunFolder, salt: str) -> int:
    """The sleeper's work: one shard of one stage."""
    return work(mini.context(run, SLEEPER, (0, mini.SHARDS)), mini.job(SLEEPER, salt=salt))


def sleeping(run: RunFolder, salt: str, at: int) -> int:
    disk.system = SleepyDisk(at)
    return half(run, salt)


def without_locks(file: object, how: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def take_over(run: RunFolder, locks: bool) -> int:
    """What a second executor does: sweep, and then everything. Without `locks` it cannot see that
    the sleeper is alive, as when its lease has run out."""
    if not locks:
        disk.fcntl.flock = without_locks  # type: ignore[assignment]
    runs.sweep(run)
    mini.compute(run, shards=mini.SHARDS)
    if locks:
        gc.sweep(run, delete=True, grace=0)
    return OK


def standing(run: RunFolder) -> dict[Path, bytes]:
    """The manifests, and the tars that they name."""
    manifests = sorted(run.datasets.glob("*/[!.]*.json"))
    tars = [run.tar(run.manifest(path.parent.name, int(path.stem))) for path in manifests]
    return {path: path.read_bytes() for path in (*manifests, *tars)}


def woken(path: Path, chosen: int, number: int, calls: int) -> tuple[int, bool]:
    """One round: the exit code of the sleeper, and whether it came second with other bytes."""
    draw = random.Random(chosen + number)
    locks, salt, at = number % 2 == 0, " other" if number % 4 > 1 else "", draw.randrange(calls)
    run = mini.begun(path)
    zombie = forked(lambda: sleeping(run, salt, at))
    assert waited(zombie) == -signal.SIGSTOP
    assert waited(forked(lambda: take_over(run, locks))) == OK
    known, before = mini.digests(run), standing(run)
    os.kill(zombie, signal.SIGCONT)
    code = waited(zombie)
    where = f"{SEED}={chosen}, round {number}: asleep before call {at} of {calls}"
    assert mini.digests(run) == known and standing(run) == before, where
    runs.sweep(run)
    gc.sweep(run, delete=True, grace=0)
    assert set(run.datasets.glob("*/*")) == set(before) and standing(run) == before, where
    assert list(run.staging.iterdir()) == [], where
    return code, run.diverged.exists()


@pytest.mark.timeout(limit(300))
def test_a_process_that_wakes_up_late_changes_nothing(
    tmp_path: Path, said: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with installed(watched := FaultyDisk()):
        half(mini.begun(tmp_path / "clean"), "")
    todo = [(tmp_path / f"run-{number}", seed(), number, watched.calls)
            for number in range(count("zombies"))]  # fmt: skip
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        rounds = pool.starmap(woken, todo, chunksize=1)
    ends = Counter(code for code, _ in rounds)
    said(f"{len(rounds)} processes slept before one of {watched.calls} calls while another did "
         f"their work: {ends[OK]} ended well, {ends[TRANSIENT]} with code 75, "
         f"{sum(late for _, late in rounds)} came second with other bytes, nothing that stood was "
         "changed")  # fmt: skip
    assert set(ends) <= {OK, TRANSIENT}
    assert "Traceback" not in capfd.readouterr().err
