"""Killed at any time and resumed: the same losses, bit for bit, as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pipeline.code import ROOT
from pipeline.documents import Curve
from pipeline.shards import RunFolder, join
from tests.training.ranks import HANG
from tests.training.test_scalars import read

if TYPE_CHECKING:
    from tests.training.conftest import Runs

STAGE = "train-deeplabv3plus-binary"
STEPS = 24


def make(runs: Runs, name: str, size: int) -> RunFolder:
    """Everything that a checkpoint must hold: averaged weights, Adam's state, dev scores, a best
    step that is not the last."""
    return runs.make(
        name, samples=28, size=32, recipe="modern", steps=STEPS, batch=2 * size, processes=size,
        learning_rate=0.02, checkpoint_every=3, validate_every=5,
    )[0]  # fmt: skip


def ranks(size: int, run: RunFolder, *plans: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.ranks", str(size), str(run.path), *plans],
        capture_output=True, text=True, cwd=ROOT, timeout=500,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def outcome(run: RunFolder) -> tuple[list[str], bytes, object]:
    row = join(run, [STAGE], 0).rows["model"]
    curve: Curve = row.get("curve", "Curve")
    assert len(curve.loss) == STEPS and len(curve.checks) == 5
    weights: bytes = row.get("model", "Weights")
    return [loss.hex() for loss in curve.loss], weights, (curve.checks, curve.best_step)


KILLS = ("rank-0-5", "rank-1-8", "agent-9", "write-12", "rename-15", "rank-1-22")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("size", "kills"),
    [(1, ("rank-0-5", "write-6", "rename-9", "agent-12")), (2, KILLS), (3, ("rank-2-8",))],
)
def test_losses_are_the_same_after_any_kill(size: int, kills: tuple[str, ...], runs: Runs) -> None:
    whole, killed = make(runs, "whole", size), make(runs, "killed", size)
    ranks(size, whole, "end")
    said = ranks(size, killed, *kills, "end")
    assert f"codes {[0] * size}" in said
    assert said.count("goes on from step-") == len(kills), said
    assert outcome(killed) == outcome(whole)
    left = read(killed.path / "scalars" / STAGE, "loss")
    assert [step for step, _ in left] == list(range(1, STEPS + 1))
    assert left == read(whole.path / "scalars" / STAGE, "loss")
    assert not (killed.path / "checkpoints" / STAGE).exists()


@pytest.mark.slow
def test_a_rank_that_hangs_is_noticed_by_the_others(runs: Runs) -> None:
    run = make(runs, "run", 2)
    begun = time.monotonic()
    said = ranks(2, run, "hang-1-5", "end")
    assert time.monotonic() - begun < 60
    assert "codes [75, -9]" in said
    assert f"did not answer for {HANG.total_seconds():.0f} s: run the same command again" in said
    assert "goes on from step-000003" in said and "codes [0, 0]" in said


@pytest.mark.slow
def test_several_processes_learn_what_one_does(runs: Runs) -> None:
    """A global batch and its loss are the same for any number of processes, even where each has
    another share of pixels without a class (pictures that were scaled down)."""
    found = []
    for size in (1, 2, 3):
        run, _ = runs.make(
            f"of-{size}", size=32, encoder="plain", steps=8, batch=6, processes=size,
            learning_rate=0.1,
        )  # fmt: skip
        ranks(size, run, "end")
        found.append(join(run, [STAGE], 0).rows["model"].get("curve", "Curve").loss)
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] == pytest.approx(found[2], rel=1e-4)
    assert found[0][-1] < found[0][0]
