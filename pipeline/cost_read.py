"""What a cost is reckoned from: the part of a manifest that says how an attempt went, and for whom.

in    a run folder
out   an `Account` of a committed shard

Members and parents are nine tenths of a manifest's text and are not kept, so that one shard of all
stages fits in a few kilobytes.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline.manifest import Attempt, Rejected, unsealed
from pipeline.shards import RunFolder


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
