"""All that follows the logits of a picture: `python -m tests.benchmarks.scoring`.

Likeliest class, confusion matrix and boundary F1 of 9 x 512 x 512 float32 logits; against torch's
max, numpy's bincount and DAVIS' f_measure. Exits 1 below the limit, or if anything differs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tests.benchmarks import boundary_f1, confusion
from tests.benchmarks.label_maps import CLASSES, KINDS, Bytes, Result, compare, one_thread, show
from training import metrics

LIMIT = 8.0
PEER = "torch max, bincount, DAVIS"


def logits(random: np.random.Generator, pred: Bytes) -> Any:
    """Noise whose maximum is the predicted class."""
    found = random.standard_normal((CLASSES, *pred.shape), np.float32)
    np.put_along_axis(found, pred[None].astype(np.intp), 6 + random.random(), axis=0)
    return found


def ours(one: Any) -> Any:
    gt, found = one
    pred = metrics.likeliest(found)
    return pred, metrics.confusion(gt, pred, CLASSES), boundary_f1.ours((gt, pred))


def peers(one: Any) -> Any:
    import torch

    gt, found = one
    pred = torch.from_numpy(found)[None].max(dim=1)[1][0].numpy()
    matrix = confusion.bincount(gt.astype(np.int64), pred)
    return pred, matrix, boundary_f1.davis((gt, pred))


def measure(kind: str, pictures: int, rounds: int) -> Result:
    random = np.random.default_rng(0)
    pairs = [KINDS[kind](random) for _ in range(pictures)]
    inputs = [(gt, logits(random, pred)) for gt, pred in pairs]
    with one_thread():
        return compare(ours, {PEER: peers}, inputs, rounds)


def main() -> int:
    below = False
    for kind in KINDS:
        result = measure(kind, pictures=2, rounds=25)
        show(kind, result)
        below |= result.ratios[PEER] < LIMIT
    print(f"limit: {LIMIT}; labels, counts and every F are equal")
    return int(below)


if __name__ == "__main__":
    sys.exit(main())
