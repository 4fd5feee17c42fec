"""What the report tells of, read from a run folder.

    in    a `Library` (the run folder, and the digests of what was read from it) and the config
    out   `Kept` samples, one picture at a time on demand

Of every sample only `sample.json` is read, and pictures of the few samples that are shown. What is
not committed is left out, so that a run may be told of before it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.dag import slug
from pipeline.documents import Sample
from pipeline.shards import Joined, RunFolder, join

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Bools = NDArray[np.bool_]

SPLITS = ("train", "val", "filtered")


@dataclass(frozen=True, slots=True)
class Kept:
    """One sample of the dataset: `split` is where it lies, in shard `shard`."""

    key: str
    split: str
    shard: int
    sample: Sample

    @property
    def source(self) -> str:
        """What the picture was made from, so that the sheet does not show one photograph thrice."""
        return self.sample.source.source_id


@dataclass
class Library:
    """Reads datasets of a run. `parents` gathers the tar digest of every shard that was read."""

    run: RunFolder
    config: Config
    parents: dict[str, str] = field(default_factory=dict)

    def join(self, dataset: str, shard: int) -> Joined:
        """Shard `shard` of `dataset`; `NotReady` if it is not committed."""
        joined = join(self.run, (dataset,), shard)
        self.parents |= {f"{name}/{shard:05d}": sha for name, sha in joined.parents.items()}
        return joined

    def field(self, dataset: str, shard: int, key: str, name: str, kind: str) -> Any:
        """One decoded field; None where the run has no such dataset, sample or field (any more)."""
        if not self.run.committed(dataset, shard):
            return None
        row = self.join(dataset, shard).rows.get(key)
        return None if row is None else row.get(name, kind)


def samples(library: Library) -> Iterator[Kept]:
    """Every sample that was not declined, in order of split, shard and key."""
    for split in SPLITS:
        for shard in range(library.config.shards):
            if not library.run.committed(f"assemble-{split}", shard):
                continue
            joined = library.join(f"assemble-{split}", shard)
            declined = {item.key for manifest in joined.manifests for item in manifest.rejected}
            for key, row in joined.rows.items():
                if key not in declined:
                    yield Kept(key, split, shard, row.get("sample", "Sample"))


def base_picture(library: Library, kept: Kept) -> Bytes | None:
    """The picture before the first turn."""
    source = kept.sample.source
    dataset = f"generate-{source.family}" if source.base == "ai" else "ingest"
    found: Bytes | None = library.field(dataset, kept.shard, kept.key, "image", "Photo")
    return found


def turn_picture(library: Library, kept: Kept, turn: int, family: str) -> Bytes | None:
    """The picture after a turn; the last one is also that of the dataset."""
    found: Bytes | None = library.field(
        f"edit-{turn}-{slug(family)}", kept.shard, kept.key, "image", "Photo"
    )
    if found is None and turn == kept.sample.edits[-1].turn:
        found = final(library, kept, "image", "Photo")
    return found


def final(library: Library, kept: Kept, name: str, kind: str) -> Any:
    """A field of the finished sample: `image`, `mask` or `turns`."""
    return library.field(f"assemble-{kept.split}", kept.shard, kept.key, name, kind)


def masks(library: Library, kept: Kept) -> list[Bools]:
    """The region that each edit painted; without `segment`, what later turns left to be seen."""
    edits = kept.sample.edits
    planes = library.field("segment", kept.shard, kept.key, "masks", "Masks")
    if planes is not None:
        return [planes[edit.region] for edit in edits]
    turns = final(library, kept, "turns", "LabelMap")
    return [turns == edit.turn for edit in edits]
