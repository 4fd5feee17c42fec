"""Ground truth and predictions to score, and rounds in which variants take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Pair = tuple[Bytes, Bytes]
SIZE, CLASSES = 512, 9


def blobs(random: np.random.Generator, count: int, size: int = SIZE) -> Bytes:
    """Round shapes with three lobes, of classes 1..8; later ones on top."""
    found = np.zeros((size, size), np.uint8)
    y, x = np.mgrid[:size, :size]
    for _ in range(count):
        left, top = random.uniform(0.2, 0.8, 2) * size
        radius, turn = random.uniform(0.08, 0.25) * size, random.uniform(0, 2 * np.pi)
        lobes = 1 + 0.25 * np.sin(3 * np.arctan2(y - top, x - left) + turn)
        found[np.hypot(x - left, y - top) < radius * lobes] = random.integers(1, CLASSES)
    return found


def good(random: np.random.Generator, size: int = SIZE) -> Pair:
    """The truth moved by a few pixels, and one small blob that is not there."""
    gt = blobs(random, int(random.integers(1, 4)), size)
    pred = np.roll(gt, (2, 3), (0, 1))
    wrong = blobs(random, 1, size)[::3, ::3]
    top, left = random.integers(0, size - len(wrong), 2)
    patch = pred[top : top + len(wrong), left : left + len(wrong)]
    patch[wrong > 0] = wrong[wrong > 0]
    return gt, pred


def noisy(random: np.random.Generator, size: int = SIZE) -> Pair:
    """Fragments of all classes over half of the truth."""
    gt = blobs(random, int(random.integers(1, 4)), size)
    cells = -(-size // 8)
    classes = random.integers(0, CLASSES, (cells, cells)).astype(np.uint8)
    fragments = np.kron(classes, np.ones((8, 8), np.uint8))[:size, :size]
    there = np.kron(random.random((cells, cells)) < 0.5, np.ones((8, 8), bool))[:size, :size]
    there = there ^ (random.random((size, size)) < 0.02)
    return gt, np.where(np.roll(there, 3, (0, 1)), fragments, gt)


KINDS: dict[str, Callable[..., Pair]] = {"good": good, "noisy": noisy}


@dataclass(frozen=True)
class Result:
    """`milliseconds` of CPU for each picture, the median over rounds, by variant; `ratios`, the
    median over rounds of how often faster than each peer ours is."""

    milliseconds: dict[str, float]
    ratios: dict[str, float]


def compare(
    ours: Callable[[Any], object], peers: dict[str, Callable[[Any], object]],
    inputs: Sequence[Any], rounds: int, repeats: int = 1,
) -> Result:  # fmt: skip
    """Let all variants take turns, once to warm up and then `rounds` times; each goes through all
    of `inputs` `repeats` times in a turn. Raises AssertionError if a peer finds anything else than
    ours for one of them."""
    variants = {"ours": ours, **peers}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        found = {}
        for name, variant in variants.items():
            begun = time.process_time()
            for _ in range(repeats):
                found[name] = [variant(one) for one in inputs]
            if turn:
                taken = (time.process_time() - begun) * 1e3
                times[name].append(taken / (repeats * len(inputs)))
        for name in peers:
            for mine, theirs in zip(found["ours"], found[name], strict=True):
                assert same(mine, theirs), f"ours and {name} differ"
    ratios = {
        name: statistics.median(b / a for a, b in zip(times["ours"], times[name], strict=True))
        for name in peers
    }
    return Result({name: statistics.median(taken) for name, taken in times.items()}, ratios)


def same(mine: Any, theirs: Any) -> bool:
    """Bit for bit."""
    if isinstance(mine, tuple):
        return all(same(a, b) for a, b in zip(mine, theirs, strict=True))
    if isinstance(mine, np.ndarray):
        return bool(np.array_equal(mine, np.asarray(theirs)))
    return bool(mine == theirs)


def show(title: str, result: Result) -> None:
    for name, taken in result.milliseconds.items():
        ratio = f"{result.ratios[name]:8.1f}x" if name in result.ratios else "        -"
        print(f"{title:<8} {name:<34} {taken:9.3f} ms {ratio}")


@contextmanager
def one_thread() -> Iterator[None]:
    """All libraries, as far as they can be told at run time."""
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
