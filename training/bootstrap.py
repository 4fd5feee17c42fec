"""95 % intervals by resampling pictures (percentile bootstrap; Efron and Tibshirani, 1993).

A resample draws as many pictures as there are, with replacement. It is held as how often each
picture was drawn, so that a score which follows from sums over pictures needs one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Interval = tuple[float | None, float | None]
RESAMPLES, SEED = 1000, 0
NOTHING: Interval = (None, None)
#: Draws that are in memory at a time.
CHUNK = 2**20


def interval(
    per_image: NDArray[Any],
    statistic: Callable[[Floats], Floats],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Of a score that follows from sums: `per_image` (N, ...) integers or floats is summed over the
    drawn pictures to (R, ...), of which `statistic` makes (R,) scores, nan where undefined."""
    shape = per_image.shape[1:]
    flat = per_image.reshape(len(per_image), math.prod(shape)).astype(np.float64)
    whole = per_image.dtype.kind in "iub"

    def score(drawn: Floats) -> Floats:
        # Sums of whole numbers are exact in any order; of others, einsum keeps to one order.
        sums = drawn @ flat if whole else np.einsum("rn,nk->rk", drawn, flat)
        return statistic(sums.reshape(len(drawn), *shape))

    return interval_of_draws(len(per_image), score, resamples, seed)


def interval_of_mean(
    values: NDArray[np.floating[Any]], resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Of the mean of `values` (N,), one a picture: nan, nothing to score, is left out of it."""
    known = ~np.isnan(values)
    if known.sum() < 2:
        return NOTHING
    parts = np.stack([np.where(known, values, 0.0), known.astype(np.float64)], axis=1)
    return interval(parts, lambda sums: share(sums[:, 0], sums[:, 1]), resamples, seed)


def interval_of_draws(
    pictures: int,
    statistic: Callable[[Floats], Floats],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Of any score: `statistic` takes how often each picture was drawn, (R, N) whole numbers as
    float64, and returns (R,) scores, nan where undefined. A pure function of its arguments.

    Undefined resamples are left out. (None, None) if all are, and for fewer than two pictures."""
    if pictures < 2:
        return NOTHING
    found = np.concatenate([statistic(some) for some in draws(pictures, resamples, seed)])
    found = found[~np.isnan(found)]
    if not len(found):
        return NOTHING
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def draws(pictures: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each picture is in each resample: (R, N) at a time, `resamples` rows in all."""
    random = np.random.default_rng(seed)
    at_once = max(1, CHUNK // pictures)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        picked = random.integers(0, pictures, (rows, pictures))
        picked += np.arange(rows)[:, None] * pictures
        counts = np.bincount(picked.ravel(), minlength=rows * pictures)
        yield counts.reshape(rows, pictures).astype(np.float64)


def share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, and nan where `whole` is 0."""
    found = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=found, where=np.asarray(whole) != 0)
    return found
