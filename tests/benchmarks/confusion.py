"""The confusion matrix against numpy and torchmetrics: `python -m tests.benchmarks.confusion`.

Peers get what they are given in their own code: int64 labels, as they come out of argmax. Exits 1
below the limits of "good", or if a single count differs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.label_maps import CLASSES, KINDS, Result, compare, one_thread, show
from training import metrics

LIMITS = {"numpy bincount, int64": 15.0, "torchmetrics, default": 100.0}


def bincount(gt: NDArray[np.int64], pred: NDArray[np.int64]) -> NDArray[np.int64]:
    """As in DeepLabV3Plus-Pytorch: pairs with a truth among the classes, numbered and counted."""
    known = (gt >= 0) & (gt < CLASSES)
    codes = CLASSES * gt[known].astype(int) + pred[known]
    return np.bincount(codes, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def measure(kind: str, pictures: int, rounds: int) -> Result:
    import torch
    from torchmetrics.classification import MulticlassConfusionMatrix

    random = np.random.default_rng(0)
    inputs: list[Any] = []
    for _ in range(pictures):
        pair = KINDS[kind](random)
        wide = [labels.astype(np.int64) for labels in pair]
        inputs.append((pair, wide, [torch.from_numpy(labels) for labels in wide]))
    metric = MulticlassConfusionMatrix(CLASSES)

    def torchmetrics(one: Any) -> Any:
        metric.reset()
        metric.update(one[2][1], one[2][0])
        return metric.compute().numpy()

    peers = dict(zip(LIMITS, (lambda one: bincount(*one[1]), torchmetrics), strict=True))
    with one_thread():
        return compare(lambda one: metrics.confusion(*one[0], CLASSES), peers, inputs, rounds, 5)


def main() -> int:
    below = False
    for kind in KINDS:
        result = measure(kind, pictures=4, rounds=15)
        show(kind, result)
        below |= kind == "good" and any(result.ratios[name] < LIMITS[name] for name in LIMITS)
    print(f"limits of good: {LIMITS}; every count is equal")
    return int(below)


if __name__ == "__main__":
    sys.exit(main())
