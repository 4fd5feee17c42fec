"""What a cost is reckoned from: the part of a manifest that says how an attempt went, and for whom.

in    a run folder, its config
out   an `Account` of a committed shard; the fate of the samples of one shard

Members and parents are nine tenths of a manifest's text and are not kept, so that one shard of all
stages fits in a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.manifest import Attempt, Rejected, unsealed
from pipeline.shards import RunFolder

#: What became of a planned sample; "undecided" until its shard lies in all three splits.
Fate = Literal["kept", "filtered", "quarantined", "undecided"]
FATES: tuple[Fate, ...] = ("kept", "filtered", "quarantined", "undecided")
SPLITS: dict[str, Fate] = {
    "assemble-train": "kept", "assemble-val": "kept", "assemble-filtered": "filtered",
}  # fmt: skip


class Account(BaseModel):
    """Of one committed shard of one stage."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    ids_in: tuple[str, ...]
    rejected: tuple[Rejected, ...]
    attempt: Attempt

    @property
    def out(self) -> list[str]:
        """Every sample that came in leaves by one door: here those that were not declined."""
        declined = {item.key for item in self.rejected}
        return [key for key in self.ids_in if key not in declined]


def read(run: RunFolder, dataset: str, shard: int) -> tuple[Account | None, int]:
    """The account of a shard, None if it is not committed, and the bytes of its manifest.
    `CorruptData` if that is damaged."""
    try:
        data = run.manifest_path(dataset, shard).read_bytes()
        return Account.model_validate_json(unsealed(data)), len(data)
    except FileNotFoundError:
        return None, 0
    except (ValueError, IsADirectoryError):
        run.manifest(dataset, shard)  # says what is wrong with it, and the way out
        raise


def fates(keys: Sequence[str], here: Mapping[str, Account | None]) -> dict[str, Fate]:
    """What became of a shard's planned samples, by the accounts of its stages. They are decided
    together: a sample in no split is lost only if no split is still to come."""
    splits = [(here.get(name), fate) for name, fate in SPLITS.items()]
    if any(account is None for account, _ in splits):
        return dict.fromkeys(keys, "undecided")
    found: dict[str, Fate] = dict.fromkeys(keys, "quarantined")
    for account, fate in splits:
        found |= dict.fromkeys(account.out if account else (), fate)
    return found
