"""A split without samples is said before the first step of training, not after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import InputError
from training import train
from training.cache import open_cache

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.shards import RunFolder
    from tests.training.conftest import Runs


def empty(runs: Runs, split: str, **more: int) -> tuple[RunFolder, Config]:
    run, config = runs.make(samples=8, **more)
    for shard in range(config.shards):
        manifest = run.manifest(f"assemble-{split}", shard)
        run.tar(manifest).unlink()
        run.manifest_path(f"assemble-{split}", shard).unlink()
        runs.write(run, split, shard, {})
    return run, config


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split_ends_training_before_it_begins(runs: Runs, split: str) -> None:
    run, _ = empty(runs, split)
    with pytest.raises(InputError, match=rf"{split} split has 0 .*assemble-{split}.*begin a new"):
        train.main(["--run", str(run.path), "--detector", "deeplabv3plus", "--task", "binary"])
    assert not (run.path / "checkpoints").exists() and not run.committed("train", 0)


@pytest.mark.parametrize("split", ["train", "val"])
def test_unedited_photographs_alone_make_no_split(runs: Runs, split: str) -> None:
    run, config = empty(runs, split, unedited=2, negatives=4)
    with pytest.raises(InputError, match=rf"the {split} split has 0 of the run's 8 samples"):
        open_cache(run, config, split, 32)  # type: ignore[arg-type]
    assert not (run.path / "cache").exists()
