"""What became of the samples that were planned, reckoned in one place for all who tell of it.

in    a shard's planned samples, and what left by each of its three splits
out   kept, filtered or quarantined; "undecided" until the shard lies in all three

A shard's samples are decided together: one that lies in no split is lost only if no split is still
to come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from pipeline.dag import SPLITS

Fate = Literal["kept", "filtered", "quarantined", "undecided"]
FATES: tuple[Fate, ...] = ("kept", "filtered", "quarantined", "undecided")
#: What becomes of a sample that leaves by a dataset.
DOORS: dict[str, Fate] = {
    f"assemble-{split}": "filtered" if split == "filtered" else "kept" for split in SPLITS
}


def fates(keys: Iterable[str], left: Mapping[str, Collection[str]]) -> dict[str, Fate]:
    """Of one shard, sample by sample; `left` has the samples in each of its splits that is
    committed."""
    if not left.keys() >= DOORS.keys():
        return dict.fromkeys(keys, "undecided")
    found: dict[str, Fate] = dict.fromkeys(keys, "quarantined")
    for name, fate in DOORS.items():
        found |= dict.fromkeys(left[name], fate)
    return found


def counted(planned: int, left: Mapping[str, int]) -> Counter[Fate]:
    """The same in numbers, of one shard or of several that are committed alike."""
    if not left.keys() >= DOORS.keys():
        return Counter({"undecided": planned})
    found = Counter[Fate]()
    for name, fate in DOORS.items():
        found[fate] += left[name]
    found["quarantined"] = planned - found.total()
    return found
