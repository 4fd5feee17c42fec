"""How often each fault is tried: a few times in every run of the tests, many in `make soak`.

PALIMPSEST_SOAK=1 chooses the second number. A run of the tests draws all from one seed, which it
prints first and last; PALIMPSEST_SEED=N replays it.
"""

import os
import random
from typing import NamedTuple

SEED = "PALIMPSEST_SEED"


class Count(NamedTuple):
    tests: int
    soak: int


COUNTS = {
    "kills": Count(60, 1_000),
    "operations": Count(1, 3),
    "power": Count(2_000, 20_000),
    "races": Count(25, 500),
    "flips": Count(2_000, 10_000),
    "conservation": Count(500, 5_000),
    "sigterms": Count(30, 200),
    "zombies": Count(12, 50),
    "full": Count(1, 10),
    "rot": Count(300, 3_000),
    "conditions": Count(3, 30),
    "simulation": Count(100, 20_000),
    "images": Count(2_000, 20_000),
    "tars": Count(2_000, 20_000),
    "configs": Count(1_000, 10_000),
    "replies": Count(5_000, 50_000),
    "uneven": Count(48, 144),
}


def soaking() -> bool:
    return os.environ.get("PALIMPSEST_SOAK") == "1"


def count(what: str) -> int:
    return COUNTS[what].soak if soaking() else COUNTS[what].tests


def seed() -> int:
    """Of this run of the tests."""
    return int(os.environ.get(SEED, random.SystemRandom().randrange(1 << 32)))


def limit(seconds: int) -> int:
    """Of a test that tries that many: a day in a soak."""
    return 86_400 if soaking() else seconds
