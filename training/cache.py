"""Pictures at the network's size in plain files: decoded and resized once, mapped into memory.

    run/cache/train-512-5be1c0ffee15f00d/   named by what it was made from: shards, size, resampler
        images.u8   (N, S, S, 3) uint8      4 * S * S bytes a picture with its mask
        masks.u8    (N, S, S) uint8         mask values, not classes, so that one cache serves all
        facts.json  what `Facts` says, in order of the pictures
        index.json  size and sha256 of the three, written last

A cache can be deleted at any time. It is filled aside and renamed once; one that is damaged, or
made from other shards, is said and made again. One process fills, the others wait for it where the
file system has locks; where it has none they fill their own, and the first to finish is kept.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline import disk, events
from pipeline.config import Config
from pipeline.documents import Doc, Split
from pipeline.errors import TransientError
from pipeline.shards import RunFolder
from training import samples
from training.cache_files import File, alone, hold_against, stand, tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

#: How pictures are brought to the network's size (masks: nearest). Pillow widens its filter by the
#: scale when it shrinks, which is what other libraries call antialias.
RESAMPLER = "pillow-bilinear-antialias"
FORMAT = 1
IMAGES, MASKS, FACTS, INDEX = "images.u8", "masks.u8", "facts.json", "index.json"


class Facts(Doc):
    """What is known of a picture: `families` painted it, one a turn, in order."""

    key: str
    part: Literal["edited", "unedited", "negative"]
    source_id: str
    base: Literal["real", "ai", "unknown"]
    families: tuple[str, ...] = ()


class Index(Doc):
    """Of a cache: the digest that it is named by begins with the folder's last 16 characters."""

    format: int
    split: Split
    size: int
    resampler: str
    samples: int
    digest: str
    files: dict[str, File]


@dataclass(frozen=True)
class Cache:
    """`images` (N, S, S, 3) and `masks` (N, S, S) are uint8, read-only and lie in files; `facts`
    are in their order. `parents` are the tar digests of the shards, by "dataset/shard"."""

    folder: Path
    facts: tuple[Facts, ...]
    images: Bytes
    masks: Bytes
    parents: dict[str, str]

    def again(self) -> Cache:
        """The same, its files mapped anew: for the ranks that trusted what rank 0 had yet to check,
        and perhaps to make again, once they have met."""
        images = np.memmap(self.folder / IMAGES, np.uint8, "r", shape=self.images.shape)
        masks = np.memmap(self.folder / MASKS, np.uint8, "r", shape=self.masks.shape)
        return replace(self, images=images, masks=masks)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.facts)

    @property
    def size(self) -> int:
        """The side of a picture, px."""
        return int(self.images.shape[1])

    @property
    def sources(self) -> dict[str, str]:
        """The key of one picture of each source."""
        return {one.source_id: one.key for one in reversed(self.facts)}


def open_cache(
    run: RunFolder, config: Config, split: Split, size: int, *, check: bool = True
) -> Cache:
    """The pictures of a split at `size` pixels, filled now if need be.

    `check` reads every byte against its digest; of several processes let one do so (rank 0), before
    they join their group, whose time to find each other is short, and the others take it `again`
    after that. Raises `InputError` for an empty
    split, a mask of another size or with a label of no family, a picture of another encoder and
    two sources in two splits; `NotReady`; `TransientError` if the disk is full.
    """
    from training import filling  # Pillow, only where pictures are decoded

    parents = samples.parents(run, config, split)
    digest = _digest(config, split, size, parents)
    home = run.path / "cache"
    folder = home / f"{split}-{size}-{digest[:16]}"
    if (found := _opened(folder, digest, size, parents, check)) is not None:
        return found
    samples.accepted(run, config, split)  # an empty split is said, not waited for
    disk.make_folder(home)
    with alone(home / f".{folder.name}.lock", folder.name) as locked:
        if (found := _opened(folder, digest, size, parents, check, say=True)) is not None:
            return found  # another process filled it while we waited
        if locked:
            tidy(home, folder.name, f"{split}-{size}-")
        aside = home / f".{folder.name}.{uuid.uuid4().hex}"
        try:
            disk.system.make_folder(aside)
            files, count = filling.fill(run, config, split, size, aside)
            known = Index(format=FORMAT, split=split, size=size, resampler=RESAMPLER,
                          samples=count, digest=digest, files=files)  # fmt: skip
            disk.replace(aside / INDEX, known.model_dump_json(indent=1).encode())
            stand(aside, folder,
                  lambda: _opened(folder, digest, size, parents, check) is not None)  # fmt: skip
        except FileNotFoundError as error:
            raise TransientError(f"{error.filename} was removed while it was filled: run the same "
                                 "command again") from None  # fmt: skip
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        found = _opened(folder, digest, size, parents, check=False)
    if found is None:
        raise TransientError(f"{folder} was removed as soon as it was filled: run the same command "
                             "again")  # fmt: skip
    return found


def _digest(config: Config, split: str, size: int, parents: dict[str, str]) -> str:
    """Of all that decides the bytes; the labels, since masks are judged by them."""
    labels = sorted(config.families.items())
    known = [FORMAT, split, size, RESAMPLER, labels, sorted(parents.items())]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _opened(
    folder: Path, digest: str, size: int, parents: dict[str, str], check: bool, say: bool = False
) -> Cache | None:
    """The cache in `folder`; None if there is none, or if it is damaged, which `say` says."""
    if not folder.exists():
        return None
    try:
        known = Index.model_validate_json(disk.read(folder / INDEX))
        if known.digest != digest:
            raise ValueError("made from other shards")
        for name, file in known.files.items():
            hold_against(folder / name, file, check)
        facts = TypeAdapter(tuple[Facts, ...]).validate_json(disk.read(folder / FACTS))
        shape = (known.samples, size, size)
        images = np.memmap(folder / IMAGES, np.uint8, "r", shape=(*shape, 3))
        masks = np.memmap(folder / MASKS, np.uint8, "r", shape=shape)
        if len(facts) != known.samples:
            raise ValueError(f"{FACTS} is of {len(facts)} pictures, not {known.samples}")
    except (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        why = "index.json is none" if isinstance(error, ValidationError) else str(error)
        if say:
            events.say("cache-refused", "{folder} is damaged ({why}): made again", level="warning",
                       folder=folder.name, why=why)  # fmt: skip
        return None
    return Cache(folder, facts, images, masks, parents)
