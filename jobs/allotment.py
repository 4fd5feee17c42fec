"""What of a shard's plan can be counted out beforehand: numbers of turns, and edit types.

Both keep their ratio to the next whole number within each shard, for real and AI-made bases
together and for each by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from jobs.quota import allotted, shares
from pipeline.config import Config
from pipeline.documents import EditType
from pipeline.records import ToPlan
from pipeline.seeds import ranked, seed


def turn_counts(config: Config, served: Sequence[ToPlan]) -> dict[str, int]:
    """How many turns each sample gets; `served` has those with fewest regions first."""
    kinds = sorted(count for count, weight in config.turns.items() if weight)
    weights = [config.turns[count] for count in kinds]
    groups, limits = defaultdict[str, list[ToPlan]](list), dict[str, int]()
    for item in served:
        groups[item.source.base].append(item)
        limits[item.key] = max(sum(n <= len(item.regions.regions) for n in kinds) - 1, 0)
    wanted = [shares(weights, [limits[one.key] for one in group]) for group in groups.values()]
    found = {}
    for group, left in zip(
        groups.values(), _allotted(config, "turns", served, wanted), strict=True
    ):
        for item in group:
            open_ = [kind for kind in range(limits[item.key] + 1) for _ in range(left[kind])]
            kind = open_[seed(config.seed, item.key, "turns") % len(open_)]
            left[kind] -= 1
            found[item.key] = min(kinds[kind], len(item.regions.regions))
    return found


def edit_types(
    config: Config, by_key: Mapping[str, ToPlan], counts: Mapping[str, int]
) -> dict[tuple[str, int], EditType]:
    """The edit type of each turn of each sample."""
    kinds, total = list(config.edit_types), sum(config.edit_types.values())
    groups = defaultdict[str, dict[str, tuple[str, int]]](dict)
    for key, count in counts.items():
        for turn in range(1, count + 1):
            groups[by_key[key].source.base][f"{key}-{turn}"] = key, turn
    wanted = [
        [len(slots) * config.edit_types[kind] / total for kind in kinds]
        for slots in groups.values()
    ]
    found = {}
    numbers = _allotted(config, "edits", by_key.values(), wanted)
    for slots, allotment in zip(groups.values(), numbers, strict=True):
        drawn = [kind for kind, n in zip(kinds, allotment, strict=True) for _ in range(n)]
        for slot, kind in zip(ranked(config.seed, "edit", slots), drawn, strict=True):
            found[slots[slot]] = kind
    return found


def _allotted(
    config: Config, purpose: str, shard: Iterable[ToPlan], wanted: Sequence[Sequence[float]]
) -> list[list[int]]:
    """`quota.allotted`, its random start keyed by the shard."""
    first = min((item.key for item in shard), default="")
    return allotted(wanted, seed(config.seed, first, f"allot-{purpose}") / 2**63)
