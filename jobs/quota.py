"""Quotas: steer draws toward target shares, instead of hoping that chance evens out.

`allotted` says beforehand how often each kind is drawn, where that can be known; a `Quota` steers
draw by draw, where each draw has its own choice.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise, product
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)
#: Differences below it are those of floating point.
EPSILON = 1e-9


class Quota(Generic[Kind]):
    """Counts what was drawn, in all and for each group, and says which kind is most behind its
    target share in both."""

    def __init__(self, targets: Mapping[Kind, float]) -> None:
        total = sum(targets.values())
        self.targets = {kind: weight / total for kind, weight in targets.items()}
        self.drawn: Counter[Kind] = Counter()
        self.groups: defaultdict[str, Counter[Kind]] = defaultdict(Counter)

    def deficit(self, kind: Kind, group: str = "") -> float:
        """How many draws `kind` is behind in `group` and in all, if one more draw is made now."""
        share = self.targets.get(kind, 0.0)
        return sum(
            share * (drawn.total() + 1) - drawn[kind] for drawn in (self.drawn, self.groups[group])
        )

    def count(self, kind: Kind, group: str = "", times: int = 1) -> None:
        """Count a draw; -1 takes one back."""
        self.drawn[kind] += times
        self.groups[group][kind] += times

    def draw(self, among: Iterable[Kind], order: Mapping[Kind, int], group: str = "") -> Kind:
        """Draw the kind of largest deficit `among` those given; `order` breaks ties (a keyed
        number for each kind, so that ties fall differently for each sample)."""
        kind = max(among, key=lambda one: (round(self.deficit(one, group), 9), order[one]))
        self.count(kind, group)
        return kind


def shares(weights: Sequence[float], limits: Sequence[int]) -> list[float]:
    """How many of the samples should get each kind, the lesser kinds first: in proportion to
    `weights` as far as the `limits` allow. A sample of limit n may only have one of the kinds 0 to
    n; those who may have only lesser ones take more of them, the others share the rest."""
    wanted: list[float] = []
    left, weight = float(len(limits)), math.fsum(weights)
    for kind, own in enumerate(weights):
        must = sum(limit <= kind for limit in limits) - sum(wanted)
        wanted.append(min(left, max(must, left * own / weight if weight > EPSILON else left)))
        left, weight = left - wanted[-1], weight - own
    return wanted


def rounded(wanted: Sequence[float], start: float) -> list[int]:
    """Whole numbers of the same sum, each the next below or above: sums are rounded, not parts, at
    a `start` (of which the part behind the point counts). Over random starts the mean is exactly
    what was wanted."""
    edges = [math.floor(total + start % 1 + EPSILON) for total in accumulate(wanted, initial=0.0)]
    return [after - before for before, after in pairwise(edges)]


def allotted(groups: Sequence[Sequence[float]], start: float) -> list[list[int]]:
    """Whole numbers for every group's wanted ones, each the next below or above, and so for their
    sums over all groups, if there is such a way. `start` is a keyed random number from 0 to 1, so
    that no kind gains over many shards; every other group starts from the other end, as then a
    kind that is rounded up in one is seldom rounded up in both."""
    ways = [
        [rounded(wanted, (1 - start if i % 2 else start) + edge) for edge in _edges(wanted)]
        for i, wanted in enumerate(groups)
    ]
    total = [sum(column) for column in zip(*groups, strict=True)]

    def off(way: tuple[list[int], ...]) -> int:
        sums = [sum(column) for column in zip(*way, strict=True)]
        return sum(abs(got - want) >= 1 - EPSILON for got, want in zip(sums, total, strict=True))

    return [list(one) for one in min(product(*ways), key=off)]


def _edges(wanted: Sequence[float]) -> list[float]:
    """Shifts of the start after which another part is rounded up; none comes first."""
    return [0.0, *sorted({1 - math.modf(total)[0] for total in accumulate(wanted)} - {1.0})]
