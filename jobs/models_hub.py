"""Download a repository of the model hub: at one revision, checked against what the hub says of its
files, locked, and then there as a whole.

Only what cannot run code is downloaded, and of that only what the model's card names: a pipeline's
repository often holds its weights two or three times.
"""

from __future__ import annotations

import glob
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs import abreast, hub
from jobs.arrivals import Arrivals
from jobs.models_files import wanted
from pipeline import events, store
from pipeline.errors import CorruptData, InputError, TransientError
from pipeline.store import Entry, Lock

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

#: Files of one repository that are fetched at the same time.
FILES = 8


def download(repo: str, folder: Path, files: Sequence[str] = ()) -> None:
    """Fetch of a hub repository what fits the patterns `files`, at the revision of its lock or else
    the newest, and lock it. Raises InputError where the hub wants another name, a licence accepted
    or a token, or has no such weights, and TransientError where it does not answer or what came is
    damaged."""
    if "/" not in repo:
        raise InputError(f"{repo} is on no hub: put its converted checkpoint into {folder}")
    pinned = store.read(folder)
    try:
        with hub.asked(
            repo,
            missing=f"{repo} is not on the hub, or not for this token: put its files into "
            f"{folder}, or change the model's card",
            outdated=f"{repo} has the revision of {store.lock_path(folder)} no more: move that "
            "lock away to take the newest",
            client="use the editor image, or install requirements.txt",
        ):
            info, mine, partial = _download(repo, folder, pinned, files)
        if not there(folder):
            lock = Lock(repo=repo, commit=info.sha or "", files=_whole(info, mine, partial))
            _put(partial, folder, lock, pinned)
    except OSError:
        if not there(folder):  # else another pod was faster
            raise
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)


def there(folder: Path) -> bool:
    return any(folder.glob("*"))


def _put(partial: Path, folder: Path, lock: Lock, pinned: Lock | None) -> None:
    """Lock the weights, then let them appear: a folder that is there has its lock."""
    kept = store.write(folder, lock)
    if kept != lock and pinned:
        raise CorruptData(f"{lock.repo} at {lock.commit[:12]} is not what "
                          f"{store.lock_path(folder)} says: move that lock away to take it "
                          "nevertheless")  # fmt: skip
    if kept != lock:  # another pod locked a revision of this very minute
        raise TransientError(f"{folder} is just being fetched at another revision: try again")
    partial.rename(folder)


def _download(
    repo: str, folder: Path, pinned: Lock | None, files: Sequence[str]
) -> tuple[ModelInfo, list[str], Path]:
    """What the hub says of a revision, that of `pinned` or the newest; the names of the files that
    were fetched, of a lock exactly its own; and the folder that has them. It bears the revision's
    name, so that a later one never mixes with what is left of it."""
    from huggingface_hub import HfApi

    commit = pinned.commit or None if pinned else None
    info = HfApi().model_info(repo, revision=commit, files_metadata=True, token=hub.token())
    partial = folder.with_name(f".{folder.name}.{(info.sha or '')[:12]}.partial")
    names = {one.rfilename: one.size or 0 for one in info.siblings or ()}
    exactly = [glob.escape(name) for name in pinned.files] if pinned else files
    mine = wanted(repo, names, exactly)
    arrivals = Arrivals(partial, {name: names[name] for name in mine})
    total, there = sum(names[name] for name in mine), len(arrivals.there)
    events.say("download", "fetches {repo} at {commit}: {files} files, {gigabytes:.2f} GB"
               + (", {there} of them are there already" if there else ""),
               repo=repo, commit=(info.sha or "")[:12], files=len(mine),
               gigabytes=round(total / 1e9, 3), there=there)  # fmt: skip
    with arrivals:
        _fetch(repo, info.sha or "", partial, mine, arrivals.begins)
    return info, mine, partial


def _fetch(
    repo: str, revision: str, folder: Path, names: Sequence[str], begins: Callable[[str], None]
) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # there is one for all files together

    def one(name: str) -> None:
        begins(name)
        hf_hub_download(repo, name, revision=revision, local_dir=folder, token=hub.token())

    abreast.each(one, names, FILES)


def _whole(info: ModelInfo, mine: Sequence[str], partial: Path) -> dict[str, Entry]:
    """The files `mine`; a TransientError unless they are what the hub says they are. What an
    earlier try left beside them goes."""
    found = store.survey(partial)
    for name in found.files.keys() - {*mine}:
        (partial / name).unlink()
        del found.files[name]
    for sibling in info.siblings or ():
        name = sibling.rfilename
        if name not in mine:
            continue
        published, got = sibling.lfs.sha256 if sibling.lfs else "", found.files.get(name)
        if got is None or (published and got.sha256 != published):
            (partial / name).unlink(missing_ok=True)  # else the next try would believe it
            raise TransientError(f"{name} of {info.id} did not arrive whole: fetch again")
    return found.files
