"""Keyed seeds: every random choice is a pure function of what it is for.

No global state, no worker or attempt number, no position in a batch: the same sample gets the same
draw whether it is computed first, last, alone, twice or on another machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SCHEME = "blake2b-8/len-prefixed/v1"


def seed(run_seed: int, *parts: str | int) -> int:
    """A 63-bit seed for `parts`, e.g. `(sample, turn, family, "latents", reseed)`.

    Each part is length-prefixed, so `("ab", "c")` and `("a", "bc")` differ. 63 bits, because
    torch generators take a signed 64-bit integer.
    """
    digest = hashlib.blake2b(key=run_seed.to_bytes(16, "big", signed=True), digest_size=8)
    for part in parts:
        raw = str(part).encode()
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return int.from_bytes(digest.digest(), "big") >> 1


def rng(run_seed: int, *parts: str | int) -> np.random.Generator:
    """A numpy generator (Philox) for `parts`."""
    import numpy as np

    return np.random.Generator(np.random.Philox(seed(run_seed, *parts)))


def ranked(run_seed: int, purpose: str, items: Iterable[str]) -> list[str]:
    """`items` in a keyed random order that does not depend on the order they came in."""
    return sorted(items, key=lambda item: (seed(run_seed, purpose, item), item))
