"""Killed at any moment and run again, a run ends with the dataset of an undisturbed one.

PALIMPSEST_SEED=... draws the same moments again.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import audit
from tests.faults.counts import SEED, count, limit, seed
from tests.processes import living

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"


def start(profile: Path, out: Path) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that a kill takes the whole family at once."""
    command = [sys.executable, "-m", "pipeline.cli", "run", "--profile", str(profile),
               "--photos", str(DATA / "photos"), "--out", str(out)]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    log = open(out.with_suffix(".log"), "ab")  # noqa: SIM115 - the child's
    try:
        return subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    finally:
        log.close()


def finish(profile: Path, out: Path) -> str:
    with start(profile, out) as run:
        assert run.wait() == 0, out.with_suffix(".log").read_text()[-3000:]
    found = audit.audit(out)
    assert found.exit_code == 0, (found.missing, found.faults)
    return found.digest


@pytest.mark.slow
@pytest.mark.timeout(limit(900))
@pytest.mark.parametrize(("profile", "kills"), [("standin", count("kills") - 3), ("families", 3)])
def test_killed_at_random_moments(
    tmp_path: Path, said: Callable[[str], None], profile: str, kills: int
) -> None:
    draw = random.Random(seed())
    path = DATA / f"{profile}.yaml"
    begun = time.monotonic()
    clean = finish(path, tmp_path / "clean")
    seconds = time.monotonic() - begun
    killed, rounds = 0, 0
    while killed < kills:
        out = tmp_path / f"killed-{rounds}"
        rounds += 1
        while killed < kills:
            run = start(path, out)
            with run:
                try:
                    run.wait(timeout=draw.uniform(0.05, seconds * 0.8))
                except subprocess.TimeoutExpired:
                    os.killpg(run.pid, signal.SIGKILL)
                    killed += 1
            if run.returncode == 0:
                break
            assert run.returncode == -signal.SIGKILL, out.with_suffix(".log").read_text()[-3000:]
        assert finish(path, out) == clean, f"{SEED}={seed()}, round {rounds}"
        assert not list((out / "staging").iterdir())
    same = f"digest {clean[:16]} each time"
    said(f"{profile}: {killed} kills over {rounds} runs of {seconds:.1f} s, {same}")


@pytest.mark.slow
def test_nothing_goes_on_working_when_only_the_parent_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = start(DATA / "standin.yaml", out)
    with run:
        deadline = time.monotonic() + 30
        while not (out / "shards" / "segment").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(living(run.pid)) > 2  # the executor, the server and a stage at the least
        os.kill(run.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while living(run.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert living(run.pid) == []
    finish(DATA / "standin.yaml", out)
