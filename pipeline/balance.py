"""How far the plan's quotas were reached: targets, what was planned, what was kept.

Counted over the whole run, from the plan and from the dataset; nothing here steers anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from pipeline.config import Config
from pipeline.documents import Plan, Region, Sample, Share, Source


def area_bin(config: Config, area: float) -> int:
    """The number of the bin that a share of the picture lies in."""
    return sum(bound <= area for bound in config.quotas.area_bounds)


def targets(config: Config) -> dict[str, dict[str, float]]:
    """Every quota with the weights of its kinds, as they are called in the report."""
    bounds, ai = config.quotas.area_bounds, config.bases.ai_share
    bins = [f"{low:.3g} to {high:.3g}" for low, high in pairwise([0, *bounds, 1])]
    families = dict.fromkeys(config.families, 1.0)
    return {
        "turns": {str(count): config.turns[count] for count in sorted(config.turns)},
        **{f"family, turn {turn}": families for turn in range(1, max(config.turns) + 1)},
        "edit type": {str(kind): weight for kind, weight in config.edit_types.items()},
        "category": dict(config.quotas.categories),
        "area": dict(zip(bins, config.quotas.area_weights, strict=True)),
        "base": {"real": 1 - ai, "ai": ai},
    }


class Tally:
    """Counts samples as the plan has them and as the dataset has them."""

    def __init__(self, config: Config) -> None:
        self.config, self.targets = config, targets(config)
        self.bins = list(self.targets["area"])
        self.planned: Counter[tuple[str, str]] = Counter()
        self.kept: Counter[tuple[str, str]] = Counter()

    def plan(self, source: Source, regions: tuple[Region, ...], plan: Plan) -> None:
        """Count a sample of the plan."""
        turns = [(n, turn.family, turn.edit, regions[turn.region])
                 for n, turn in enumerate(plan.turns, 1)]  # fmt: skip
        self._count(self.planned, source, turns)

    def keep(self, sample: Sample) -> None:
        """Count a sample of train or val."""
        turns = [(edit.turn, edit.family, edit.edit, sample.regions[edit.region])
                 for edit in sample.edits]  # fmt: skip
        self._count(self.kept, sample.source, turns)

    def _count(
        self, into: Counter[tuple[str, str]], source: Source,
        turns: list[tuple[int, str, Any, Region]],
    ) -> None:  # fmt: skip
        into["turns", str(len(turns))] += 1
        into["base", source.base] += 1
        for turn, family, edit, region in turns:
            into[f"family, turn {turn}", family] += 1
            into["edit type", edit] += 1
            into["category", region.category] += 1
            into["area", self.bins[area_bin(self.config, region.area)]] += 1

    def shares(self) -> tuple[Share, ...]:
        """A row for each kind of each quota, also for kinds that nobody asked for."""
        return tuple(
            row for quota, weights in self.targets.items() for row in self._rows(quota, weights)
        )

    def _rows(self, quota: str, weights: Mapping[str, float]) -> list[Share]:
        found = {kind for counts in (self.planned, self.kept) for name, kind in counts
                 if name == quota}  # fmt: skip
        kinds = [*weights, *sorted(found - weights.keys())]
        total = sum(self.planned[quota, kind] for kind in kinds)
        rows = []
        for kind in kinds:
            target = weights.get(kind, 0.0) / sum(weights.values())
            planned = self.planned[quota, kind]
            rows.append(Share(quota=quota, kind=kind, target=target, planned=planned,
                              deficit=round(target * total - planned, 6) + 0.0,  # no -0
                              kept=self.kept[quota, kind]))  # fmt: skip
        return rows
