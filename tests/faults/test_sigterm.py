"""SIGTERM at any moment of a stage: it ends within ten seconds with code 75, keeps what it had
finished, and the next attempt goes on from there to the same bytes."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.code import ROOT
from pipeline.errors import OK, TRANSIENT, outcome
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.counts import count, limit, seed

pytestmark = pytest.mark.slow
#: Seconds: a step of a diffusion model, and the longest that a pod may take to end.
STEP, LONGEST = 0.5, 10.0
#: A stage whose batches take a step each; it notes on standard output when one begins.
PROGRAM = """
import sys, time
from pathlib import Path
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.shards import RunFolder
from pipeline.stage import Job
from tests.faults import mini

def main(argv):
    stage = mini.STAGES[0]
    real = mini.job(stage)
    def load():
        transform, model = real.load()
        def slow(batch):
            print("batch", flush=True)
            time.sleep(float(argv[1]))
            return transform(batch)
        return slow, model
    slow = Job(real.takes, real.gives, load, batch=real.batch)
    return work(mini.context(RunFolder(Path(argv[0])), stage), slow)

print("begun", flush=True)
sys.exit(guard(main, sys.argv[1:]))
"""
#: Batches of a whole stage.
BATCHES = mini.SAMPLES // mini.BATCH


def attempt(run: Path, wait: float) -> tuple[int, float, int]:
    """Start the stage and stop it so many seconds after its program began. Returns its exit code,
    how long it took to end, and how many batches it began."""
    command = [sys.executable, "-c", PROGRAM, str(run), str(STEP)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line == "begun\n" for line in lines)
        time.sleep(wait)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said = list(lines)
        # one that comes while Python starts or ends is the kernel's to answer, and as transient
        code, _ = outcome(process.wait(timeout=60))
        return code, time.monotonic() - begun, said.count("batch\n")


def ended(path: Path, draw: random.Random, stops: int) -> tuple[list[tuple[int, float]], int]:
    """A stage that is stopped so many times, then left to end; and how many batches that took."""
    run, batches, found = mini.begun(path), 0, []
    for _ in range(stops):
        code, seconds, begun = attempt(run.path, draw.uniform(0, 2.5))
        batches += begun
        found.append((code, seconds))
    while not run.committed("first", mini.SHARDS - 1):
        batches += attempt(run.path, BATCHES * STEP * 4)[2]
    return found, batches


@pytest.mark.timeout(limit(3600))
def test_a_stage_that_is_stopped_ends_soon_and_loses_one_batch(
    tmp_path: Path, said: Callable[[str], None]
) -> None:
    chosen = seed()
    mini.compute(mini.begun(tmp_path / "clean"), shards=mini.SHARDS)
    wanted = mini.digests(RunFolder(tmp_path / "clean"))
    runs, stops = -(-count("sigterms") // 3), 3
    with ThreadPoolExecutor(4) as pool:
        draws = [random.Random(chosen + i) for i in range(runs)]
        found = list(pool.map(lambda i: ended(tmp_path / f"run-{i}", draws[i], stops), range(runs)))
    ends = [one for run, _ in found for one in run]
    slowest = max(seconds for _, seconds in ends)
    stopped = sum(code == TRANSIENT for code, _ in ends)
    said(f"{len(ends)} SIGTERMs, {stopped} of them in time; the slowest end took {slowest:.2f} s; "
         f"{BATCHES} batches took at most {max(batches for _, batches in found)}")  # fmt: skip
    assert {code for code, _ in ends} <= {OK, TRANSIENT}
    assert slowest <= LONGEST
    for i, (_, batches) in enumerate(found):
        run = RunFolder(tmp_path / f"run-{i}")
        first = {name: one for name, one in wanted.items() if name.startswith("first")}
        assert mini.digests(run) == first, f"PALIMPSEST_SEED={chosen}, run {i}"
        assert batches <= BATCHES + stops * 2  # the one in hand, and one that was being encoded
        assert not list(run.staging.iterdir())
