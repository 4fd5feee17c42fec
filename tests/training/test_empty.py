"""A split without samples is said before the first step of training, not after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.documents import Curve
from pipeline.errors import InputError
from training import data, evaluate, sgd, train

if TYPE_CHECKING:
    from tests.training.conftest import Runs


@pytest.mark.parametrize("empty", ["train", "val"])
def test_an_empty_split_ends_training_before_it_begins(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    run, config = runs.make(samples=8)
    for shard in range(config.shards):
        manifest = run.manifest(f"assemble-{empty}", shard)
        run.tar(manifest).unlink()
        run.manifest_path(f"assemble-{empty}", shard).unlink()
        runs.write(run, empty, shard, {})

    def never(*_: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(sgd.Training, "advance", never)
    with pytest.raises(InputError, match=rf"{empty} split has 0 .*assemble-{empty}.*begin a new"):
        train.main(["--run", str(run.path), "--detector", "deeplabv3plus", "--task", "binary"])


def test_a_split_is_counted_without_reading_a_picture(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    for shard in range(config.shards):
        run.tar(run.manifest("assemble-val", shard)).unlink()
    rows, parents = data.accepted(run, config, "val")
    assert [row.key for row in rows] == ["00000003", "00000007"] and len(parents) == 2


def test_a_split_without_an_edit_cannot_be_scored() -> None:
    blank = np.zeros((2, 8, 8), np.uint8)
    split = data.Split(("a", "b"), np.zeros((2, 8, 8, 3), np.uint8), blank, {})
    curve = Curve(detector="d", task="binary", encoder="e", classes=2, size=8, resampler="",
                  steps=1, batch=2, processes=1, samples=2, loss=(), seconds=0)  # fmt: skip
    with pytest.raises(InputError, match="2 samples in assemble-val is edited.*more samples"):
        evaluate.score(split, blank, curve, ["untouched", "edited"])
