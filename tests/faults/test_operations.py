"""Every call that one shard's path through three stages makes to the disk, failing in every way:
nothing wrong is ever committed, and the next run ends with the same bytes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import runs
from pipeline.errors import TRANSIENT, explain
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.counts import count, limit, soaking
from tests.faults.faulty import ERRORS, FAULTS, Crash, FaultyDisk, installed

pytestmark = pytest.mark.slow
SHARDS = mini.SHARDS if soaking() else 1


def undisturbed(path: Path) -> tuple[int, dict[str, str]]:
    watched = FaultyDisk()
    run = mini.begun(path)
    with installed(watched):
        mini.compute(run, shards=SHARDS)
    return watched.calls, mini.digests(run)


def suffer(run: RunFolder, at: int, fault: str) -> str:
    """One attempt with one fault in it; returns what came of it."""
    with installed(system := FaultyDisk(at, fault)):
        try:
            mini.compute(run, shards=SHARDS)
        except Crash:
            assert system.dead
            return "crashed"
        except OSError as error:
            code, sentence = explain(error)
            assert code == TRANSIENT and sentence, f"{fault} at call {at}: {error!r}"
            return "refused"
        except Exception as error:
            code, _ = explain(error)
            assert code == TRANSIENT, f"{fault} at call {at}: {error!r}"
            return "refused"
        return "went on"


@pytest.mark.timeout(limit(1800))
def test_every_call_fails_in_every_way(tmp_path: Path, said: Callable[[str], None]) -> None:
    calls, wanted = undisturbed(tmp_path / "clean")
    ends = {fault: {"crashed": 0, "refused": 0, "went on": 0} for fault in FAULTS}
    for fault in FAULTS:
        for at in range(calls):
            run = mini.begun(tmp_path / "run")
            end, *_ = [suffer(run, at, fault) for _ in range(count("operations"))]
            ends[fault][end] += 1  # the later ones go on from it, and may not come as far
            mini.digests(run)  # what is committed by now is whole
            mini.compute(run, shards=SHARDS)
            assert mini.digests(run) == wanted, f"{fault} at call {at}"
            runs.sweep(run)  # as each start of a run does
            left = sorted(path.name for path in run.staging.iterdir())
            assert left == [], f"{fault} at call {at} left {left}"
            shutil.rmtree(run.path)
    said(f"{calls} calls x {len(FAULTS)} faults, every run ended with the same bytes:")
    for fault, found in ends.items():
        said(f"  {fault:<12} " + ", ".join(f"{n} {end}" for end, n in found.items()))
    assert ends["crash before"]["crashed"] == ends["crash after"]["crashed"] == calls
    assert all(ends[name]["refused"] > calls / 3 for name in ERRORS)
    assert ends["short write"]["went on"] == calls
