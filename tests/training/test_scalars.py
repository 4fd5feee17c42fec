"""What TensorBoard reads of a training run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.code import ROOT
from training.scalars import Scalars


def read(folder: Path, tag: str) -> list[tuple[int, float]]:
    """(step, value) as TensorBoard's own reader finds them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    if tag not in found.Tags()["scalars"]:
        return []
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    with Scalars(tmp_path, 0) as first:
        for step in (1, 2, 3, 4, 5):
            first.add(step, loss=1.0)
    with Scalars(tmp_path, 3) as second:  # the checkpoint was of step 3
        for step in (4, 5, 6):
            second.add(step, loss=2.0, learning_rate=0.5)
    assert read(tmp_path, "loss") == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    assert read(tmp_path, "learning_rate") == [(4, 0.5), (5, 0.5), (6, 0.5)]


def test_another_rank_writes_nothing_and_does_not_import_tensorboard(tmp_path: Path) -> None:
    code = (
        "import sys; from training.scalars import Scalars\n"
        "with Scalars(None, 0) as one: one.add(1, loss=1.0)\n"
        "assert not any(name.startswith('tensorboard') for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tag", ["loss"])
def test_nothing_written_is_nothing_read(tag: str, tmp_path: Path) -> None:
    with Scalars(tmp_path, 0):
        pass
    assert read(tmp_path, tag) == []
