"""A run folder small enough to train on, written as the assemble stages would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.batches import members
from pipeline.config import Config, Detector, Reals
from pipeline.documents import Edit, Real, Sample, Score, Source, Split
from pipeline.manifest import Rejected
from pipeline.records import Assembled, Unedited
from pipeline.shards import RunFolder
from pipeline.writer import Writer

Pictures = dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]
FACTS = {"config": "", "code": "", "model": "", "seeds": ""}


def edit(turn: int, family: str) -> Edit:
    """The `turn`-th edit (from 0), of which only the family matters here."""
    return Edit(turn=turn + 1, region=0, family=family, label=1, edit="attribute", prompts=("p",),
                seeds=(1,), steps=1, guidance=1.0, composite="paste", changed=1.0, area=0.1,
                model="")  # fmt: skip


class Runs:
    """Makes run folders below a test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def picture(number: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A gradient with a square of colour noise (size, size, 3) and its mask: label 3 or 7."""
        draw = np.random.default_rng(number)
        ramp = np.linspace(0, 255, size)
        image = np.stack([np.roll(np.add.outer(ramp, ramp) / 2, number, axis=0)] * 3, axis=2)
        mask = np.zeros((size, size), np.uint8)
        top, left = draw.integers(0, size // 2, 2)
        mask[top : top + size // 2, left : left + size // 2] = (3, 7)[number % 2]
        image = np.where(mask[..., None] > 0, draw.integers(0, 256, image.shape), image)
        return image.astype(np.uint8), mask

    @staticmethod
    def write(
        run: RunFolder, split: str, shard: int, pictures: Pictures, declined: tuple[str, ...] = (),
        painted: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:  # fmt: skip
        """Commit a shard of `assemble-<split>`; `declined` keys are kept, but filtered. `painted`
        says by whom, turn by turn; else nobody knows the turns and the mask must tell."""
        with Writer(run, f"assemble-{split}", shard) as writer:
            for key, (image, mask) in sorted(pictures.items()):
                origin: Split = "train" if split == "train" else "val"
                source = Source(source_id=key, split=origin, base="real")
                score = Score(score=4)
                edits = tuple(
                    edit(turn, family) for turn, family in enumerate((painted or {}).get(key, ()))
                )
                sample = Sample(source=source, regions=(), planned=1, edits=edits, score=score)
                writer.add(key, members(Assembled(image, mask, mask, sample)))
            rejected = [Rejected(key=key, reason="low-score") for key in declined]
            writer.commit(sorted(pictures), rejected, {}, FACTS, {})

    @classmethod
    def write_reals(cls, run: RunFolder, config: Config, shard: int, size: int) -> None:
        """Commit a shard of `reals`: the first keys unedited, every fourth negative in val."""
        keys = config.real_keys(shard)
        with Writer(run, "reals", shard) as writer:
            for key in keys:
                number = int(key) - config.samples
                image, mask = cls.picture(int(key), size)
                part = "unedited" if number < config.reals.unedited else "negative"
                split = "val" if part == "negative" and number % 4 == 3 else "train"
                source = Source.model_validate(
                    {"source_id": f"real-{number}", "split": split, "base": "real"}
                )
                real = Real.model_validate({"source": source, "part": part})
                writer.add(key, members(Unedited(image, np.zeros_like(mask), real)))
            writer.commit(keys, [], {}, FACTS, {})

    def make(
        self, name: str = "run", samples: int = 8, size: int = 64, *, unedited: int = 0,
        negatives: int = 0, painted: Mapping[str, tuple[str, ...]] | None = None, **detector: Any,
    ) -> tuple[RunFolder, Config]:  # fmt: skip
        """A run of two families, three quarters of it for training, and its config; beside it
        photographs that nobody edited."""
        section = {
            "encoder": "resnet18", "pretrained": False, "size": size, "steps": 4, "batch": 4,
            "checkpoint_every": 2, "processes": 1, "device": "cpu", **detector,
        }  # fmt: skip
        config = Config(
            samples=samples, shard_size=4, families={"sdxl": 3, "flux": 7},
            detectors={"deeplabv3plus": Detector.model_validate(section)},
            reals=Reals(unedited=unedited, negatives=negatives),
        )  # fmt: skip
        run = RunFolder(self.folder / name)
        run.path.mkdir()
        (run.path / "config.yaml").write_text(config.to_yaml())
        for shard in range(config.shards):
            made = {key: self.picture(int(key), size) for key in config.keys(shard)}
            val = {key: pair for key, pair in made.items() if int(key) % 4 == 3}
            train = {key: made[key] for key in made if key not in val}
            self.write(run, "train", shard, train, painted=painted)
            self.write(run, "val", shard, val, painted=painted)
        for shard in range(config.real_shards):
            self.write_reals(run, config, shard, size)
        return run, config


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every detector is that of tests/training/tiny.py, and torch has one thread."""
    import torch

    from tests.training import tiny
    from training import detectors

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(detectors, "build", tiny.build)
    yield
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(threads)
