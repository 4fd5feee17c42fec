"""Fetch the published dataset from the hub, at the one revision that this code was written for.

    palimpsest import diffseg30k FOLDER --hub --out RUN

The archive of the train split is held against a digest that stands here, every other file against
what the hub says of it. A download that broke off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import abreast, hub
from pipeline.errors import CorruptData, InputError, TransientError
from pipeline.reading import bar

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

REPO = "Chaos2629/Diffseg30k"
REVISION = "8049819755ff430dcf4701636b14e6f1df6c4542"
#: Of files whose digests are known without asking the hub.
PINNED = {"train.zip": "9ef27f4c1c35ef21bce150435312de18fa35cf00df6d622271219455a4ee3d02"}
CHUNK = 1 << 22


def fetch(folder: Path) -> None:
    """Put the archives into `folder`. Raises InputError where the hub has them no more or refuses
    the account, TransientError where it does not answer or a file did not arrive whole, and
    CorruptData where it has other bytes than those that are pinned."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder to fetch the dataset into")
    gone = (f"the hub has {REPO} at {REVISION[:12]} no more: put an archive that was downloaded "
            f"before into {folder} and leave out --hub")  # fmt: skip
    client = ("install requirements.txt, or give the path of an archive that was downloaded "
              "otherwise, without --hub")  # fmt: skip
    with hub.asked(REPO, missing=gone, outdated=gone, client=client):
        from huggingface_hub import HfApi, hf_hub_download

        about = HfApi().dataset_info(REPO, revision=REVISION, files_metadata=True,
                                     token=hub.token())  # fmt: skip

        def one(sibling: RepoSibling) -> None:
            name, published = sibling.rfilename, sibling.lfs.sha256 if sibling.lfs else ""
            pinned = PINNED.get(name, published)
            if published and published != pinned:
                raise CorruptData(f"{REPO} has other bytes of {name} at {REVISION[:12]} than those "
                                  "that are known: give the path of a good archive, without --hub"
                                  )  # fmt: skip
            path = Path(hf_hub_download(REPO, name, repo_type="dataset", revision=REVISION,
                                        local_dir=folder, token=hub.token()))  # fmt: skip
            if pinned and _digest(path) != pinned:
                path.unlink()  # else the next try would believe it
                raise TransientError(f"{name} of {REPO} did not arrive whole: fetch again")

        abreast.each(one, wanted(about.siblings or []), most=1)


def wanted(files: list[RepoSibling]) -> list[RepoSibling]:
    """The archives; where a split is there both as zip and as parquet, the zip."""
    zips = [one for one in files if one.rfilename.endswith(".zip")]
    tables = [one for one in files if one.rfilename.endswith(".parquet")]
    found = [
        one for split in ("train", "val")
        for one in _of(split, zips) or _of(split, tables)
    ]  # fmt: skip
    if not found:
        raise InputError(f"{REPO} has no archive at {REVISION[:12]} any more: give the path of one "
                         "that was downloaded before, without --hub")  # fmt: skip
    return found


def _of(split: str, files: list[RepoSibling]) -> list[RepoSibling]:
    return [one for one in files if one.rfilename.rpartition("/")[2].startswith(split)]


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file, bar(path.stat().st_size, 1 << 30) as read:
        while data := file.read(CHUNK):
            found.update(data)
            read(len(data))
    return found.hexdigest()
