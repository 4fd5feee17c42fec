"""Whatever is killed, what the exporter counts is what the audit counts, and never falls.

PALIMPSEST_SEED=... draws the same moments again.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline import audit, metrics
from pipeline.code import ROOT
from pipeline.exporter_runs import SERVED, Runs
from pipeline.run_metrics_read import Warnings
from tests import servers
from tests.faults.counts import seed
from tests.pipeline import exposition

DATA = ROOT / "tests" / "data"
KILLS = 10
#: Much is declined: at the beginning, at the turns, at the end.
PROFILE = """
profile: declining
seed: 7
samples: 48
shard_size: 8
families: {clone: 1, heal: 2}
bases: {resolution: 64, crops: random, ai_share: 0.25, min_side: 32}
editing: {weights: local, device: cpu, dtype: float32, batch: 4, min_changed: 0.97}
keep_score: 5
reals: {unedited: 6, negatives: 6}
local: {partitions: 2, retries: 1}
"""
CLOSING = re.compile(
    r"Of 48 planned samples (\d+) were kept .*?, (\d+) filtered, (\d+) quarantined"
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """The sample photographs, and two files that only bear the name of one."""
    folder = tmp_path / "photos"
    shutil.copytree(DATA / "photos", folder)
    coffee = (folder / "images" / "coffee.jpg").read_bytes()
    (folder / "images" / "cut.jpg").write_bytes(coffee[:5000])
    (folder / "images" / "text.jpg").write_text("not a picture")
    return folder


class Killer:
    """A run in a process group of its own, and its end."""

    def __init__(self, folder: Path, photos: Path, draw: random.Random) -> None:
        self.folder, self.photos, self.draw = folder, photos, draw
        self.profile = folder / "declining.yaml"
        self.profile.write_text(PROFILE)
        self.killed: list[str] = []

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipeline.cli", "run", "--profile", str(self.profile),
                   "--photos", str(self.photos), "--out", str(out),
                   "--metrics-port", str(servers.free_port())]  # fmt: skip
        env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder)}
        with out.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=env,
                                    start_new_session=True)  # fmt: skip

    def kill(self, run: subprocess.Popen[bytes]) -> None:
        """The executor alone, all at once, or one of its processes, which it then tries again."""
        others = [number for number in _session(run.pid) if number != run.pid]
        what = self.draw.choice(["executor", "all", "child", "child"])
        with suppress(ProcessLookupError):
            if what == "all":
                os.killpg(run.pid, signal.SIGKILL)
            elif what == "child" and others:
                os.kill(self.draw.choice(others), signal.SIGKILL)
            else:
                what = "executor"
                os.kill(run.pid, signal.SIGKILL)
            self.killed.append(what)


def _session(number: int) -> Iterator[int]:
    """The living processes of a session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its) == number and state != "Z":
                yield int(stat.parent.name)


def never_less(runs: Runs, before: exposition.Exposition) -> exposition.Exposition:
    """The figures now; none that counts is below what it was."""
    now = exposition.of(runs=runs)
    for metric in SERVED:
        if metric.kind == "counter":
            then, there = (one.by(metric, *metric.labels) for one in (before, now))
            assert [key for key, value in then.items() if there.get(key, -1) < value] == []
    return now


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_exporter_equals_the_audit_after_kills(tmp_path: Path, photos: Path) -> None:
    killer, rounds = Killer(tmp_path, photos, random.Random(seed())), 0
    while len(killer.killed) < KILLS:
        out = tmp_path / f"killed-{rounds}"
        rounds += 1
        runs = Runs([out], Warnings())  # one exporter for the whole life of the run
        seen, code = exposition.of(runs=runs), -1
        while code != 0:
            run = killer.start(out)
            with run:
                until = time.monotonic() + killer.draw.uniform(0.2, 5)
                while run.poll() is None:
                    time.sleep(0.05)
                    if time.monotonic() > until and len(killer.killed) < KILLS:
                        killer.kill(run)
                        until = time.monotonic() + killer.draw.uniform(0.2, 5)
                    if killer.draw.random() < 0.2:
                        seen = never_less(runs, seen)
            code = run.returncode
            said = out.with_suffix(".log").read_text()
            assert code in (0, 75, -signal.SIGKILL), said[-3000:]
        check(out, never_less(runs, seen), said)
    print(f"{killer.killed} over {rounds} runs")


def check(out: Path, found: exposition.Exposition, said: str) -> None:
    """The counters are the audit's, stage by stage and reason by reason, and the fates those of the
    closing summary."""
    audited = audit.audit(out)
    assert audited.exit_code == 0, (audited.missing, audited.faults)
    counted = found.by(metrics.RUN_SAMPLES, "stage", "outcome")
    assert counted == exposition.counted(audited)
    for name, row in audited.stages.items():
        mine = {outcome: number for (stage, outcome), number in counted.items() if stage == name}
        assert sum(mine.values()) == row.taken == row.out + row.filtered + row.quarantined
        assert found.one(metrics.RUN_COMMITTED, stage=name) == row.shards
        assert found.one(metrics.RUN_SHARDS, stage=name) == row.shards
    reasons = {outcome for _, outcome in counted}
    assert {"unreadable-image", "truncated-image", "noop-edit", "low-score"} <= reasons
    fates = found.by(metrics.RUN_FINISHED, "fate")
    closing = CLOSING.search(said)
    assert closing, said[-2000:]
    assert [int(fates[fate,]) for fate in ("kept", "filtered", "quarantined")] == [
        int(number) for number in closing.groups()
    ]
    assert found.one(metrics.RUN_FINISHED) == 48
