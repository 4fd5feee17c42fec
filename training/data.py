"""From a cache to batches: classes, the order of pictures, and what is prepared ahead of a step.

The order of pictures is an endless stream, one shuffled epoch after the other. Step s takes places
s * batch .. (s + 1) * batch - 1 of it, and each process an equal, contiguous part of these. So a
global batch is the same for any number of processes, and nothing need be saved to resume.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from pipeline import seeds
from pipeline.config import Config
from pipeline.errors import ConfigError, InputError
from training import ahead, augment
from training.cache import RESAMPLER, Cache
from training.recipes import Recipe
from training.samples import accepted
from training.subsets import Selection, dev, select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = [
    "IGNORE", "RESAMPLER", "Batch", "Selection", "accepted", "batches", "class_labels",
    "class_table", "classify", "dev", "draw", "select", "take",
]  # fmt: skip
#: The class of pixels that count neither in the loss nor in a score.
IGNORE = augment.IGNORE


def class_labels(config: Config, task: str) -> dict[str, int]:
    """Name and mask value of each class, in class order; class 0 is "untouched".

    The order is that of the families' labels, not of the YAML, which no digest sees. For "binary"
    and "image", whose class 1 is every value above 0, the value stands for what a prediction is
    written as.
    """
    if task in ("binary", "image"):
        return {"untouched": 0, "edited": 1}
    return {"untouched": 0, **dict(sorted(config.families.items(), key=lambda item: item[1]))}


def class_table(config: Config, task: str, ignored: Collection[str] = ()) -> Bytes:
    """(256,) uint8, mask value -> class number. `IGNORE` for the families in `ignored` (those that
    a hold-out has seen, in tests of the others) and for values that belong to no family."""
    table = np.full(256, IGNORE, np.uint8)
    for number, label in enumerate(class_labels(config, "semantic").values()):
        table[label] = number if task == "semantic" else min(number, 1)
    table[[config.families[family] for family in ignored]] = IGNORE
    return table


def classify(mask: Bytes, config: Config, task: str, ignored: Collection[str] = ()) -> Bytes:
    """Mask values to class numbers, both uint8. Raises ValueError for a value without a class."""
    known = class_table(config, task) != IGNORE
    if not known[mask].all():
        raise ValueError(f"label {mask[~known[mask]][0]} belongs to no family of the run")
    return class_table(config, task, ignored)[mask]


@lru_cache(maxsize=2)
def _epoch(stream: int, epoch: int, samples: int) -> NDArray[np.int64]:
    return seeds.rng(stream, "epoch", epoch).permutation(samples)


def draw(
    stream: int, samples: int, step: int, batch: int, rank: int = 0, world: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What process `rank` of `world` takes at `step` (from 0): numbers of pictures and their places
    in the stream, (batch / world,) each. A pure function of its arguments; `stream` is the seed.

    There may be fewer pictures than processes: the stream never ends. A ConfigError says so if the
    batch cannot be shared equally.
    """
    if batch % world:
        raise ConfigError(f"a batch of {batch} cannot be shared equally by {world} processes: "
                          "change batch or processes of the detector")  # fmt: skip
    if samples < 1:
        raise InputError("there is no picture to train on: begin a new run with more samples")
    part = batch // world
    places = np.arange(step * batch + rank * part, step * batch + (rank + 1) * part)
    picked = [_epoch(stream, place // samples, samples)[place % samples]
              for place in places.tolist()]  # fmt: skip
    return np.array(picked, np.int64), places


@dataclass(frozen=True)
class Batch:
    """`images` (B, S, S, 3) uint8; `labels` uint8 class numbers, (B, S, S), or (B,) of the image
    task; `keys` says which samples these are."""

    images: Bytes
    labels: Bytes
    keys: tuple[str, ...]


def take(
    cache: Cache, selection: Selection, recipe: Recipe, stream: int, step: int, rank: int = 0,
    world: int = 1,
) -> Batch:  # fmt: skip
    """The part of process `rank` in the global batch of `step`, augmented."""
    picked, places = draw(stream, len(selection.rows), step, recipe.batch, rank, world)
    rows = selection.rows[picked]
    chances = augment.chances(stream, places)
    keys = tuple(cache.facts[row].key for row in rows.tolist())
    if selection.task == "image":
        pictures = (cache.images[row] for row in rows.tolist())
        return Batch(augment.pictures(pictures, chances, recipe), selection.targets[picked], keys)
    images, masks = augment.windows(cache.images, cache.masks, rows, chances, recipe)
    return Batch(images, selection.table.take(masks, mode="clip"), keys)


def batches(
    cache: Cache, selection: Selection, recipe: Recipe, stream: int, first: int, steps: int,
    rank: int = 0, world: int = 1, threads: int = 2,
) -> Generator[Batch, None, None]:  # fmt: skip
    """The batches of steps `first` .. `steps` - 1, two for each thread prepared ahead (most of the
    work releases the interpreter lock). Equally many on every rank."""
    calls = (partial(take, cache, selection, recipe, stream, step, rank, world)
             for step in range(first, steps))  # fmt: skip
    return ahead.in_order(calls, threads, "batch")
