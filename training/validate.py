"""The dev score of a network in training: which step was the best.

    binary, semantic   mIoU over the classes of edits, at the network's size
    image              balanced accuracy at 0.5: the mean of the shares found of either kind

Each picture of the dev slice is seen exactly once, whatever the ranks: they take turns, and their
confusion matrices are added up, which is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from training import augment, data, metrics
from training.cache import Cache
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from training.ddp import World

    Forward = Callable[[NDArray[np.uint8]], torch.Tensor]


def score(
    forward: Forward, cache: Cache, dev: data.Selection, recipe: Recipe, classes: int, world: World
) -> float:
    """The dev score, the same on every rank; 0 where there is nothing to score. `forward` takes
    pictures (B, S, S, 3) uint8 and returns a detector's logits."""
    import torch

    part = max(recipe.batch // world.size, 1)
    mine = np.arange(world.rank, len(dev.rows), world.size)
    matrix = np.zeros((classes, classes), np.int64)
    with torch.inference_mode():
        for first in range(0, len(mine), part):
            matrix += _confusion(forward, cache, dev, mine[first : first + part], recipe, classes)
    return of(world.total(matrix), dev.task)


def _confusion(
    forward: Forward, cache: Cache, dev: data.Selection, some: NDArray[np.int64], recipe: Recipe,
    classes: int,
) -> NDArray[np.int64]:  # fmt: skip
    """(C, C) counts of pixels, or of the image task of pictures: of class i, predicted as j."""
    rows, matrix = dev.rows[some], np.zeros((classes, classes), np.int64)
    images = cache.images[rows]
    if dev.task == "image":
        edited = forward(augment.plain(images, recipe))[:, 0] > 0
        np.add.at(matrix, (dev.targets[some], edited.cpu().numpy().astype(np.uint8)), 1)
        return matrix
    predicted = forward(images).max(dim=1).indices.cpu().numpy().astype(np.uint8)
    for gt, pred in zip(dev.table[cache.masks[rows]], predicted, strict=True):
        matrix += metrics.confusion(gt, pred, classes, data.IGNORE)
    return matrix


def of(matrix: NDArray[np.int64], task: str) -> float:
    """The score of a confusion matrix, mIoU or balanced accuracy."""
    if task == "image":
        known = matrix.sum(axis=1)
        return float(np.mean(matrix.diagonal()[known > 0] / known[known > 0]))
    found = metrics.miou(matrix)
    return 0.0 if math.isnan(found) else found
