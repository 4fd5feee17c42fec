"""A split in memory, and which pictures each optimiser step takes from it.

The order of pictures is an endless stream, one shuffled epoch after the other. Step s takes places
s * batch .. (s + 1) * batch - 1 of it, and each process an equal, contiguous part of these. So a
global batch is the same for any number of processes, and nothing need be saved to resume.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline import seeds
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.records import ToTrain
from pipeline.shards import Row, RunFolder, join
from pipeline.summary import TURNS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: How pictures are brought to the network's size (masks: nearest). Pillow widens its filter by the
#: scale when it shrinks, which is what other libraries call antialias.
RESAMPLER = "pillow-bilinear-antialias"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB, of values 0..1


@dataclass(frozen=True)
class Split:
    """`images` (N, S, S, 3) uint8 and `labels` (N, S, S) uint8, class numbers, in order of `keys`.

    `parents` are the tar digests of the shards that were read.
    """

    keys: tuple[str, ...]
    images: Bytes
    labels: Bytes
    parents: dict[str, str]


def class_labels(config: Config, task: str) -> dict[str, int]:
    """Name and mask value of each class, in class order; class 0 is "untouched".

    The order is that of the families' labels, not of the YAML, which no digest sees. For "binary",
    whose class 1 is every value above 0, the value stands for what a prediction is written as.
    """
    if task == "binary":
        return {"untouched": 0, "edited": 1}
    return {"untouched": 0, **dict(sorted(config.families.items(), key=lambda item: item[1]))}


def classify(mask: Bytes, config: Config, task: str) -> Bytes:
    """Mask values to class numbers, both uint8. Raises ValueError for a value without a class."""
    if task == "binary":
        return (mask > 0).astype(np.uint8)
    table = np.full(256, 255, np.uint8)
    values = list(class_labels(config, task).values())
    table[values] = np.arange(len(values))
    found = table[mask]
    if (found == 255).any():
        raise ValueError(f"label {mask[found == 255][0]} belongs to no family of the run")
    return found


def accepted(run: RunFolder, config: Config, split: str) -> tuple[list[Row], dict[str, str]]:
    """The samples of `assemble-<split>` that were not declined, and the tar digest of every shard.
    Raises `InputError` if there are none; no picture is read."""
    dataset = f"assemble-{split}"
    rows: list[Row] = []
    parents: dict[str, str] = {}
    for shard in range(config.shards):
        joined = join(run, [dataset], shard)
        declined = {item.key for manifest in joined.manifests for item in manifest.rejected}
        rows += [r for r in joined.rows.values() if r.has(ToTrain) and r.key not in declined]
        parents |= {f"{name}/{shard:05d}": digest for name, digest in joined.parents.items()}
    if not rows:
        raise InputError(_why_empty(run, config, split))
    return rows, parents


def load(run: RunFolder, config: Config, split: str, task: str, size: int) -> Split:
    """The accepted samples of `assemble-<split>` at `size` pixels, 4 * size² bytes each."""
    rows, parents = accepted(run, config, split)
    images = np.empty((len(rows), size, size, 3), np.uint8)
    labels = np.empty((len(rows), size, size), np.uint8)

    def fill(i: int) -> None:
        sample: ToTrain = rows[i].read(ToTrain)
        picture, mask = Image.fromarray(sample.image), Image.fromarray(sample.mask)
        images[i] = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
        resized = np.asarray(mask.resize((size, size), Image.Resampling.NEAREST))
        try:
            labels[i] = classify(resized, config, task)
        except ValueError as error:
            raise InputError(f"assemble-{split}, sample {rows[i].key}: {error}") from error

    with ThreadPoolExecutor(max_workers=4) as pool:  # decoding releases the interpreter lock
        list(pool.map(fill, range(len(rows))))
    return Split(tuple(row.key for row in rows), images, labels, parents)


def _why_empty(run: RunFolder, config: Config, split: str) -> str:
    """How many samples there were, and what became of them, over all manifests of the run."""
    declined: Counter[str] = Counter()
    for path in sorted(run.datasets.glob("*/?????.json")):
        if path.parent.name.startswith(TURNS):  # a turn that failed costs no sample
            continue
        manifest = run.manifest(path.parent.name, int(path.stem))
        declined.update(item.reason for item in manifest.rejected)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(declined.items()))
    return (
        f"the {split} split has 0 of the run's {config.samples} samples in "
        f"{run.datasets / f'assemble-{split}'} (declined: {reasons or 'none'}), and detectors need "
        "both train and val: begin a new run with more samples or more photographs, change what "
        "declined them, or leave detectors out"
    )


@lru_cache(maxsize=2)
def _epoch(stream: int, epoch: int, samples: int) -> NDArray[np.int64]:
    return seeds.rng(stream, "epoch", epoch).permutation(samples)


def draw(
    stream: int, samples: int, step: int, batch: int, rank: int = 0, world: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What process `rank` of `world` takes at `step` (from 0): sample numbers (batch / world,), and
    which of them to mirror. A pure function of its arguments; `stream` is the seed."""
    part = batch // world
    first = step * batch + rank * part
    places = range(first, first + part)
    picked = [_epoch(stream, place // samples, samples)[place % samples] for place in places]
    mirror = [seeds.seed(stream, "mirror", place) & 1 for place in places]
    return np.array(picked, np.int64), np.array(mirror, np.bool_)


def take(split: Split, picked: NDArray[np.int64], mirror: NDArray[np.bool_]) -> tuple[Bytes, Bytes]:
    """A batch: images (B, S, S, 3) and labels (B, S, S), mirrored left to right where asked."""
    images, labels = split.images[picked], split.labels[picked]
    images[mirror], labels[mirror] = images[mirror][:, :, ::-1], labels[mirror][:, :, ::-1]
    return images, labels


def to_network(images: Bytes, device: torch.device) -> torch.Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 on `device`, normalised as ImageNet is."""
    import torch

    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous().float() / 255
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std
