"""Pictures that no number of processes divides, and any number of threads: every rank takes as many
steps, together they take the global batch of one process, and an epoch has each picture once."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.faults.counts import soaking
from training import data
from training.cache import Cache, Facts
from training.recipes import Recipe

#: Pictures (as many as so many uneven shards have), ranks, threads.
SIZES = range(1, 10) if soaking() else (1, 2, 5, 9)
RANKS = (1, 2, 3, 4)
THREADS = (1, 2, 3, 4) if soaking() else (1, 2, 4)
CASES = list(product(SIZES, RANKS, THREADS))


def cached(folder: Path, shards: int) -> Cache:
    """Shard i has i + 1 pictures; each is of one colour, its number."""
    total = shards * (shards + 1) // 2
    facts = tuple(Facts(key=f"{i:08d}", part="edited", source_id=str(i), base="real",
                        families=("sdxl",)) for i in range(total))  # fmt: skip
    images = np.broadcast_to(np.arange(total, dtype=np.uint8)[:, None, None, None],
                             (total, 4, 4, 3)).copy()  # fmt: skip
    return Cache(folder, facts, images, np.zeros((total, 4, 4), np.uint8), {})


def test_all_cases_are_tried() -> None:
    assert len(CASES) == (144 if soaking() else 48)


@pytest.mark.parametrize(("shards", "ranks", "threads"), CASES)
def test_ranks_share_every_step(tmp_path: Path, shards: int, ranks: int, threads: int) -> None:
    cache = cached(tmp_path, shards)
    total, batch = len(cache.facts), 12
    steps = -(-3 * total // batch) + 1
    recipe = Recipe(source="", encoder="", learning_rate=1.0, steps=steps, batch=batch)
    rows = data.Selection("semantic", np.arange(total), np.zeros(256, np.uint8),
                          np.zeros(total, np.uint8))  # fmt: skip
    taken = [[one.keys for one in data.batches(cache, rows, recipe, 7, 0, steps, rank, ranks,
                                               threads)] for rank in range(ranks)]  # fmt: skip
    assert {len(one) for one in taken} == {steps}
    together = [sum((one[step] for one in taken), ()) for step in range(steps)]
    alone = [one.keys for one in data.batches(cache, rows, recipe, 7, 0, steps)]
    assert together == alone
    stream = sum(alone, ())
    for epoch in range(3):
        part = stream[epoch * total : (epoch + 1) * total]
        assert sorted(part) == [one.key for one in cache.facts]
