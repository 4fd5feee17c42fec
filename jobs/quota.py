"""Deficit quotas: steer draws toward target shares, instead of hoping that chance evens out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

Kind = TypeVar("Kind")


class Quota(Generic[Kind]):
    """Counts what was drawn and says which kind is most behind its target share."""

    def __init__(self, targets: Mapping[Kind, float]) -> None:
        total = sum(targets.values())
        self.targets = {kind: weight / total for kind, weight in targets.items()}
        self.drawn: Counter[Kind] = Counter()

    def deficit(self, kind: Kind) -> float:
        """How many draws `kind` is behind, if one more draw is made now."""
        return self.targets.get(kind, 0.0) * (self.drawn.total() + 1) - self.drawn[kind]

    def draw(self, among: Iterable[Kind], order: Mapping[Kind, int]) -> Kind:
        """Draw the kind of largest deficit `among` those given; `order` breaks ties (a keyed
        number for each kind, so that ties fall differently for each sample)."""
        kind = max(among, key=lambda one: (round(self.deficit(one), 9), order[one]))
        self.drawn[kind] += 1
        return kind
