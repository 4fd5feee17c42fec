"""Decide all turns of every sample before anything is painted (paper 3.1, data diversity).

    in    source.json, regions.json, of a whole shard at once
    out   plan.json: one to three turns, each a region, a family and an edit type
    run   python -m jobs.plan --partition 0/4 --run runs/demo

Balance is kept within each shard, over real and AI-made bases together and for each by itself: of
the number of turns (1:4:5), families at each turn, edit types, and the regions' categories and
sizes. So there is no global state, and any cut into partitions gives the same plan.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from itertools import product

from jobs.allotment import edit_types, turn_counts
from jobs.quota import Quota
from pipeline.balance import area_bin
from pipeline.config import Config
from pipeline.documents import Plan, Turn
from pipeline.errors import guard
from pipeline.loop import work
from pipeline.records import Planned, ToPlan
from pipeline.seeds import ranked, seed
from pipeline.stage import Job, context

#: The families of a sample's turns, and the numbers of its regions.
Choice = tuple[tuple[str, ...], tuple[int, ...]]
#: How often each sample chooses: the second time, it knows what all others have.
ROUNDS = 2


class Balance:
    """The quotas of one shard; their groups are the kinds of bases."""

    def __init__(self, config: Config) -> None:
        even = dict.fromkeys(config.families, 1.0)
        self.families = {turn: Quota(even) for turn in range(1, max(config.turns) + 1)}
        self.categories = Quota(config.quotas.categories)
        self.areas = Quota(dict(enumerate(config.quotas.area_weights)))

    def count(self, config: Config, item: ToPlan, choice: Choice, times: int = 1) -> None:
        """Count what a sample has chosen; -1 takes it back."""
        base = item.source.base
        for turn, (family, number) in enumerate(zip(*choice, strict=True), 1):
            region = item.regions.regions[number]
            self.families[turn].count(family, base, times)
            self.categories.count(region.category, base, times)
            self.areas.count(area_bin(config, region.area), base, times)


def plan(config: Config, shard: Sequence[ToPlan]) -> list[Planned]:
    """Plan a whole shard. Samples are served in a keyed order: those with fewest regions first,
    since they have least choice."""
    balance, by_key = Balance(config), {item.key: item for item in shard}
    order = ranked(config.seed, "plan", by_key)
    served = sorted(order, key=lambda key: len(by_key[key].regions.regions))
    counts = turn_counts(config, [by_key[key] for key in served])
    edits = edit_types(config, by_key, counts)
    chosen: dict[str, Choice] = {}
    for _ in range(ROUNDS):
        for key in served:
            item, count = by_key[key], counts[key]
            if key in chosen:
                balance.count(config, item, chosen[key], -1)
            families = _families(config, item, count, balance)
            regions = _regions(config, item, count, balance)
            chosen[key] = families, regions
            balance.count(config, item, chosen[key])
    plans = {}
    for key, (families, regions) in chosen.items():
        plans[key] = Plan(turns=tuple(
            Turn(region=region, family=family, edit=edits[key, turn])
            for turn, (region, family) in enumerate(zip(regions, families, strict=True), 1)
        ))  # fmt: skip
    return [Planned(plans[item.key]) for item in shard]


def _families(config: Config, item: ToPlan, count: int, balance: Balance) -> tuple[str, ...]:
    """The painters of all turns at once, those most wanted: chosen one by one, the last turn would
    have to take whom the others leave."""
    base = item.source.base
    behind = {
        (turn, family): round(balance.families[turn].deficit(family, base), 9)
        for turn in range(1, count + 1) for family in config.families
    }  # fmt: skip
    orders = _orders(tuple(config.families), count)
    wanted = [sum(behind[place] for place in enumerate(order, 1)) for order in orders]
    most = max(wanted) - 1e-6
    best = [order for order, sum_ in zip(orders, wanted, strict=True) if sum_ >= most]
    return min(best, key=lambda order: seed(config.seed, item.key, "families", *order))


@cache
def _orders(families: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    """Nobody paints twice in a sample while others have not painted."""
    size = len(families)
    return [
        order for order in product(families, repeat=count)
        if all(len(set(order[i : i + size])) == len(order[i : i + size])
               for i in range(0, count, size))
    ]  # fmt: skip


def _regions(config: Config, item: ToPlan, count: int, balance: Balance) -> tuple[int, ...]:
    """The regions of all turns, one by one those whose category and size are most wanted."""
    base, regions, chosen = item.source.base, item.regions.regions, list[int]()
    bins = [area_bin(config, region.area) for region in regions]

    def wanted(i: int) -> tuple[float, int]:
        deficit = balance.categories.deficit(regions[i].category, base)
        deficit += balance.areas.deficit(bins[i], base)
        for other in chosen:  # each is one draw in its group and one in all
            deficit -= 2 * (regions[other].category == regions[i].category)
            deficit -= 2 * (bins[other] == bins[i])
        return round(deficit, 9), seed(config.seed, item.key, len(chosen) + 1, "region", i)

    for _ in range(count):
        chosen.append(max((i for i in range(len(regions)) if i not in chosen), key=wanted))
    return tuple(chosen)


def job(config: Config) -> Job[ToPlan, Planned]:
    return Job(ToPlan, Planned, lambda: (lambda shard: plan(config, shard), ""))


def main(argv: list[str]) -> int:
    here = context("jobs.plan", argv)
    return work(here, job(here.config))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
