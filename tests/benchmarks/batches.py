"""Batches from the cache against a folder of PNG: `python -m tests.benchmarks.batches`.

The folder is read as VainF/DeepLabV3Plus-Pytorch reads its own, by PIL in a DataLoader with two
workers, brought from 1024 to 512 pixels; ours are two threads over the cache. Rounds take turns, in
the same order of pictures, and every pixel and label of a round is compared. What the network would
need next (floats, the mean) is left out on both sides, which favours the folder. Then the same with
random scale, crop and mirror on both sides, whose pixels differ. Exits 1 below the goal.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from pipeline.codecs import encode
from pipeline.config import Config
from pipeline.shards import RunFolder
from tests.training.conftest import Runs
from training import data
from training.cache import open_cache
from training.recipes import Recipe

PHOTOS = Path(__file__).parents[1] / "data" / "photos" / "images"
SAMPLES, STORED, SIDE, BATCH, STEPS, ROUNDS = 48, 1024, 512, 8, 6, 5
#: The folder takes long, and one pass of the cache would be over in milliseconds.
PASSES = 8
GOAL = 15.0
PLAIN = Recipe(source="", encoder="", learning_rate=1.0, steps=STEPS, batch=BATCH, flip=False)
VAINF = replace(PLAIN, scale=(0.5, 2.0), crop=SIDE, flip=True)


def pictures() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Squares of the sample photographs, and masks of two families."""
    paths = sorted(PHOTOS.glob("*.jpg"))
    for i in range(SAMPLES):
        draw = np.random.default_rng(i)
        with Image.open(paths[i % len(paths)]) as photo:
            edge = int(min(photo.size) * draw.uniform(0.6, 1.0))
            left, top = (int(draw.integers(0, side - edge + 1)) for side in photo.size)
            box = (left, top, left + edge, top + edge)
            square = photo.convert("RGB").resize((STORED, STORED), box=box)
        mask = np.zeros((STORED, STORED), np.uint8)
        for label in (3, 7):
            left, top = draw.integers(0, STORED // 2, 2)
            mask[top : top + STORED // 3, left : left + STORED // 3] = label
        yield f"{i:08d}", np.asarray(square), mask


class Folder(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """What a training script does for each picture, every time; numbers are (sample, place)."""

    def __init__(self, path: Path, table: np.ndarray, augmented: bool) -> None:
        self.path, self.table, self.augmented = path, table, augmented

    def __getitem__(self, which: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        sample, place = which
        image = Image.open(self.path / f"{sample:08d}.image.png").convert("RGB")
        mask = Image.open(self.path / f"{sample:08d}.mask.png")
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        mask = mask.resize((SIDE, SIDE), Image.Resampling.NEAREST)
        if self.augmented:
            image, mask = self.augment(image, mask, np.random.default_rng(place))
        labels = self.table[np.asarray(mask)]
        return torch.from_numpy(np.array(image)), torch.from_numpy(labels)

    def augment(self, image: Any, mask: Any, draw: np.random.Generator) -> tuple[Any, Any]:
        """RandomScale(0.5, 2), RandomCrop with padding, RandomHorizontalFlip, of one picture."""
        side = int(SIDE * draw.uniform(0.5, 2.0))
        image = image.resize((side, side), Image.Resampling.BILINEAR)
        mask = mask.resize((side, side), Image.Resampling.NEAREST)
        room = max(0, side - SIDE)
        left, top = (int(n) for n in draw.integers(0, room + 1, 2))
        at = min(0, (side - SIDE) // 2)
        box = (left + at, top + at, left + at + SIDE, top + at + SIDE)
        image, mask = image.crop(box), mask.crop(box)
        if draw.random() < 0.5:
            turn = Image.Transpose.FLIP_LEFT_RIGHT
            image, mask = image.transpose(turn), mask.transpose(turn)
        return image, mask


def begin(path: Path) -> tuple[RunFolder, Config, Path]:
    """The same pictures, in the same bytes, as shards and as a folder."""
    folder = path / "png"
    folder.mkdir()
    made = {}
    for key, image, mask in pictures():
        made[key] = (image, mask)
        (folder / f"{key}.image.png").write_bytes(encode("Photo", image))
        (folder / f"{key}.mask.png").write_bytes(encode("LabelMap", mask))
    run = RunFolder(path / "run")
    run.path.mkdir()
    Runs.write(run, "train", 0, made)
    return run, Config(samples=SAMPLES, families={"sdxl": 3, "flux": 7}), folder


def timed(batches: Iterable[Any]) -> float:
    """Seconds for each picture."""
    begun = time.perf_counter()
    count = sum(len(batch[0]) if isinstance(batch, list) else len(batch.images)
                for batch in batches)  # fmt: skip
    return (time.perf_counter() - begun) / count


def ratios(run: RunFolder, config: Config, folder: Path, recipe: Recipe, same: bool) -> list[float]:
    """How often as fast the cache is, round by round; with `same`, pixels must be equal."""
    cache = open_cache(run, config, "train", SIDE)
    selection = data.select(cache, config, "semantic")
    order = [
        [(int(sample), int(place)) for sample, place in zip(*data.draw(1, SAMPLES, step, BATCH),
                                                            strict=True)]
        for step in range(STEPS)
    ]  # fmt: skip
    reader = Folder(folder, selection.table, recipe.scale is not None)
    loader: DataLoader[Any] = DataLoader(
        reader, batch_sampler=order, num_workers=2, persistent_workers=True
    )
    ours = list(data.batches(cache, selection, recipe, 1, 0, STEPS))  # both once, to warm up
    theirs = list(loader)
    for mine, (images, labels) in zip(ours, theirs, strict=True):
        if same:
            assert np.array_equal(mine.images, images.numpy())
            assert np.array_equal(mine.labels, labels.numpy())
    found = []
    for _ in range(ROUNDS):
        slow = timed(loader)
        fast = timed(data.batches(cache, selection, recipe, 1, 0, PASSES * STEPS))
        found.append(slow / fast)
        print(f"  folder {1 / slow:7.1f} img/s   cache {1 / fast:8.1f} img/s   {found[-1]:6.1f}x")
    return found


def main() -> int:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as path:
        run, config, folder = begin(Path(path))
        with redirect_stdout(io.StringIO()):
            begun = time.perf_counter()
            cache = open_cache(run, config, "train", SIDE)
            filled = time.perf_counter() - begun
        print(
            f"filled in {filled:.2f} s: {SAMPLES / filled:.0f} img/s, {len(cache.facts)} pictures"
        )
        print(f"batches of {BATCH}, {SIDE} px, as they are (equal to the byte)")
        plain = statistics.median(ratios(run, config, folder, PLAIN, same=True))
        print("the same with random scale, crop and mirror")
        augmented = statistics.median(ratios(run, config, folder, VAINF, same=False))
    print(
        f"cache / folder: {plain:.1f}x as they are (goal {GOAL:.0f}x), {augmented:.1f}x augmented"
    )
    return int(plain < GOAL)


if __name__ == "__main__":
    sys.exit(main())
