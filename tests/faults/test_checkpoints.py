"""A checkpoint whose writing fails at any call, in any way: an older one or the new one can always
be loaded, and is whole."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import TRANSIENT, explain
from tests.faults.faulty import FAULTS, Crash, FaultyDisk, installed
from training import checkpoint

pytestmark = pytest.mark.slow
FACTS = {"settings": "ours"}


def state(step: int) -> dict[str, Any]:
    import torch

    return {"facts": FACTS, "step": step, "weights": torch.full((40,), float(step))}


def saved(folder: Path) -> FaultyDisk:
    """Three good ones, of which two are kept; the disk then watches the fourth."""
    for step in (1, 2, 3):
        checkpoint.save(folder, state(step))
    return FaultyDisk()


def test_one_can_always_be_loaded(tmp_path: Path, said: Callable[[str], None]) -> None:
    watched = saved(tmp_path / "clean")
    with installed(watched):
        checkpoint.save(tmp_path / "clean", state(4))
    calls = watched.calls
    assert calls > 5
    for fault in FAULTS:
        for at in range(calls):
            folder = tmp_path / "run"
            saved(folder)
            with installed(FaultyDisk(at, fault)):
                try:
                    checkpoint.save(folder, state(4))
                except Crash:
                    pass
                except OSError as error:
                    assert explain(error)[0] == TRANSIENT
            found = checkpoint.load(folder / checkpoint.newest(folder, FACTS))
            assert found["step"] in (3, 4), f"{fault} at call {at}"
            assert (found["weights"] == found["step"]).all()
            checkpoint.save(folder, state(5))  # and the training goes on
            assert checkpoint.load(folder / checkpoint.newest(folder, FACTS))["step"] == 5
            assert len(list(folder.iterdir())) == checkpoint.KEEP, f"{fault} at call {at}"
            shutil.rmtree(folder)
    said(f"{calls} calls x {len(FAULTS)} faults while a checkpoint is written: one can always be "
         "loaded")  # fmt: skip
