"""Decide all turns of every sample before anything is painted (paper 3.1, data diversity).

    in    source.json, regions.json, of a whole shard at once
    out   plan.json: one to three turns, each a region, a family and an edit type
    run   python -m jobs.plan --partition 0/4 --run runs/demo

Balance is kept within each shard by deficit quotas over the number of turns (1:4:5), families, edit
types, and region categories and sizes, each also per base kind; so there is no global state, and
any cut into partitions gives the same plan.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import cache
from itertools import product
from typing import TypeVar

from jobs.quota import Quota
from jobs.taxonomy import CATEGORIES
from pipeline.config import Config
from pipeline.documents import EditType, Plan, Region, Turn
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Planned, ToPlan
from pipeline.seeds import ranked, seed
from pipeline.stage import Job, context

Kind = TypeVar("Kind", bound=Hashable)
#: Upper bounds of the region size bins, as shares of the picture.
AREA_BINS = (0.03, 0.08, 0.2, 1.01)


def area_bin(area: float) -> int:
    return next(i for i, bound in enumerate(AREA_BINS) if area < bound)


class Balance:
    """The quotas of one shard and one base kind (real or AI-made)."""

    def __init__(self, config: Config) -> None:
        self.turns = Quota(config.turns)
        even = dict.fromkeys(config.families, 1.0)
        self.families = {turn: Quota(even) for turn in range(1, max(config.turns) + 1)}
        self.edits: Quota[EditType] = Quota(config.edit_types)
        self.categories = Quota(dict.fromkeys(CATEGORIES, 1.0))
        self.areas = Quota(dict.fromkeys(range(len(AREA_BINS)), 1.0))


def plan(config: Config, shard: Sequence[ToPlan]) -> list[Planned]:
    """Plan a whole shard. Samples are served in a keyed order: those with fewest regions first,
    since they have least choice."""
    balance: defaultdict[str, Balance] = defaultdict(lambda: Balance(config))
    order = ranked(config.seed, "plan", [item.key for item in shard])
    by_key = {item.key: item for item in shard}
    served = sorted(order, key=lambda key: len(by_key[key].regions.regions))
    plans = {key: _one(config, by_key[key], balance[by_key[key].source.base]) for key in served}
    return [Planned(plans[item.key]) for item in shard]


def _one(config: Config, item: ToPlan, balance: Balance) -> Plan:
    regions = item.regions.regions
    wanted = [n for n, weight in config.turns.items() if weight]
    possible = [n for n in wanted if n <= len(regions)] or [min(wanted)]
    count = min(
        balance.turns.draw(possible, _ties(config, item.key, "turns", possible)), len(regions)
    )
    left = list(range(len(regions)))
    turns = []
    for turn, family in enumerate(_families(config, item.key, count, balance), 1):
        chosen = _region(config, item.key, turn, regions, left, balance)
        left.remove(chosen)
        kinds = list(config.edit_types)
        edit = balance.edits.draw(kinds, _ties(config, item.key, f"edit-{turn}", kinds))
        turns.append(Turn(region=chosen, family=family, edit=edit))
    return Plan(turns=tuple(turns))


def _families(config: Config, key: str, count: int, balance: Balance) -> tuple[str, ...]:
    """The painters of all turns at once, those most wanted: chosen one by one, the last turn would
    have to take whom the others leave."""
    behind = {
        (turn, family): round(balance.families[turn].deficit(family), 9)
        for turn in range(1, count + 1) for family in config.families
    }  # fmt: skip
    orders = _orders(tuple(config.families), count)
    wanted = [sum(behind[place] for place in enumerate(order, 1)) for order in orders]
    most = max(wanted) - 1e-6
    best = [order for order, sum_ in zip(orders, wanted, strict=True) if sum_ >= most]
    chosen = min(best, key=lambda order: seed(config.seed, key, "families", *order))
    for turn, family in enumerate(chosen, 1):
        balance.families[turn].drawn[family] += 1
    return chosen


@cache
def _orders(families: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    """Nobody paints twice in a sample while others have not painted."""
    size = len(families)
    return [
        order for order in product(families, repeat=count)
        if all(len(set(order[i : i + size])) == len(order[i : i + size])
               for i in range(0, count, size))
    ]  # fmt: skip


def _region(
    config: Config, key: str, turn: int, regions: Sequence[Region], left: Sequence[int],
    balance: Balance,
) -> int:  # fmt: skip
    """The region whose category and size are most wanted."""

    def wanted(i: int) -> tuple[float, int]:
        region = regions[i]
        deficit = balance.categories.deficit(region.category) + balance.areas.deficit(
            area_bin(region.area)
        )
        return round(deficit, 9), seed(config.seed, key, turn, "region", i)

    chosen = max(left, key=wanted)
    balance.categories.drawn[regions[chosen].category] += 1
    balance.areas.drawn[area_bin(regions[chosen].area)] += 1
    return chosen


def _ties(config: Config, key: str, purpose: str, kinds: Sequence[Kind]) -> dict[Kind, int]:
    return {kind: seed(config.seed, key, purpose, str(kind)) for kind in kinds}


def job(config: Config) -> Job[ToPlan, Planned]:
    return Job(ToPlan, Planned, lambda: (lambda shard: plan(config, shard), ""))


def main(argv: list[str]) -> int:
    here = context("jobs.plan", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
