"""Killed at any moment and run again, a run ends with the dataset of an undisturbed one.

PALIMPSEST_SEED=... draws the same moments again.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import audit
from pipeline.dag import dag
from pipeline.stage import read_run
from tests.faults.counts import SEED, count, limit, seed, soaking
from tests.processes import living, stages

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
#: Kills that each stage has seen at work, at the least, once a soak is over.
LEAST = 5


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


def kill(run: subprocess.Popen[bytes]) -> set[str]:
    """Kill a run as one; returns the stages that were at work. They are stopped first, so that none
    begins or ends while they are looked at."""
    os.killpg(run.pid, signal.SIGSTOP)
    hit = stages(living(run.pid))
    os.killpg(run.pid, signal.SIGKILL)
    return hit


def killed_after(profile: Path, out: Path, seconds: float) -> set[str] | None:
    """The stages that a kill has hit, None if the run was over before it came."""
    hit = None
    with start(profile, out) as run:
        try:
            run.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            hit = kill(run)
    assert run.returncode in (0, -signal.SIGKILL), out.with_suffix(".log").read_text()[-3000:]
    return hit


def killed_at(profile: Path, out: Path, stage: str) -> set[str]:
    """Kill a run when `stage` is seen at work; the stages that were hit, none if it never was."""
    with start(profile, out) as run:
        while run.poll() is None:
            if stage in stages(living(run.pid)):
                return kill(run)
            time.sleep(0.005)
    return set()


def told(hits: Counter[str], names: list[str]) -> str:
    hit = sorted((name for name in names if hits[name]), key=lambda name: (hits[name], name))
    each = ", ".join(f"{name} {hits[name]}" for name in hit)
    return (f"  {len(hit)} of {len(names)} stages were hit at work, {hits['']} kills hit none: "
            f"{each}")  # fmt: skip


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
    hits: Counter[str] = Counter()
    killed, rounds = 0, 0
    while killed < kills:
        out = tmp_path / f"killed-{rounds}"
        rounds += 1
        while killed < kills:
            hit = killed_after(path, out, draw.uniform(0.05, seconds * 0.8))
            if hit is None:
                break
            killed += 1
            hits.update(hit or {""})
        assert finish(path, out) == clean, f"{SEED}={seed()}, round {rounds}"
        assert not list((out / "staging").iterdir())
    same = f"digest {clean[:16]} each time"
    said(f"{profile}: {killed} kills over {rounds} runs of {seconds:.1f} s, {same}")
    names = [stage.name for stage in dag(read_run(tmp_path / "clean"))]
    said(told(hits, names))
    assert set(hits) - {""} <= set(names) and (kills < 50 or len(hits) > len(names) / 3)
    if soaking() and profile == "standin":
        aimed = aim(tmp_path, path, clean, hits, names)
        said(f"  {aimed} more kills, aimed at stages that chance had spared: each stage was hit "
             f"{min(hits[name] for name in names)} times or more")  # fmt: skip


def aim(home: Path, path: Path, clean: str, hits: Counter[str], names: list[str]) -> int:
    """Kill runs at the stages that chance has spared, until each has been hit LEAST times."""
    aimed = 0
    for name in names:
        for _ in range(4 * LEAST):  # one that is over in no time may be missed
            if hits[name] < LEAST:
                out = home / f"aimed-{aimed}"
                hits.update(killed_at(path, out, name))
                aimed += 1
                assert finish(path, out) == clean, f"killed at {name}"
                assert not list((out / "staging").iterdir())
        assert hits[name] >= LEAST, name
    return aimed


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
