"""Plain names for people: `dataset/train-00000.tar`, `dataset/edits.parquet`, `report.html`,
`report.md`.

Committed shards bear content-addressed names; these are hard links to them (copies where the file
system has no links) that any webdataset reader, viewer or browser takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from pipeline import disk
from pipeline.config import Config
from pipeline.datacard import REALS, SPLITS, readme
from pipeline.documents import IndexFacts
from pipeline.errors import CorruptData, NotReady, to_repair
from pipeline.manifest import Manifest
from pipeline.protocols import trials
from pipeline.shards import RunFolder, join

What = TypeVar("What")
#: A plain name, and what it stands for.
Offer: TypeAlias = tuple[Path, Callable[[], What]]


def tar_name(split: str, shard: int) -> str:
    return f"{split}-{shard:05d}.tar"


def everything(run: RunFolder, config: Config) -> None:
    """All that a finished run offers. Safe to repeat."""
    dataset(run, config)
    models(run, config)
    _put(_reports(run))


def dataset(run: RunFolder, config: Config) -> None:
    """Link the non-empty shards of each split and of the photographs that nobody edited, write the
    index and the README beside them, and remove shards of ours that are none any more. Other files
    are left alone."""
    folder = run.path / "dataset"
    disk.make_folder(folder)
    linked = set()
    for target, shard in _tars(run, config):
        if (manifest := shard()).records:
            linked.add(target.name)
            _link(run, manifest, target)
    ours = re.compile(rf"({'|'.join((*SPLITS, REALS))})-\d{{5}}\.tar")
    for path in folder.iterdir():
        if ours.fullmatch(path.name) and path.name not in linked:
            disk.system.remove(path)
    _put(_index(run))
    disk.replace(folder / "README.md", _readme(run))


def models(run: RunFolder, config: Config) -> None:
    """Each trained detector as `models/<trial>.safetensors`, and its curve as `.json` beside it."""
    _put(_models(run, config))


def stale(run: RunFolder, config: Config, finished: bool) -> list[str]:
    """A sentence for each plain name that is there and is not what its shard has. Of a link nothing
    is said that is not said of the shard; nor of what comes from damaged shards, or from none. The
    README is not looked at: another version of the program words it otherwise. Nor are models and
    report unless the run is `finished`: they may be those of the detectors before."""
    found = []
    offers: list[Offer[Manifest | bytes | None]] = [*_tars(run, config), *_index(run)]
    if finished:
        offers += [*_models(run, config), *_reports(run)]
    for target, wanted in offers:
        with suppress(CorruptData, NotReady):
            if target.exists() and not _same(run, target, wanted()):
                found.append(f"{target} is not what its shard has: {to_repair(run.path)} writes it "
                             "anew")  # fmt: skip
    return found


def _same(run: RunFolder, target: Path, wanted: Manifest | bytes | None) -> bool:
    try:
        if not isinstance(wanted, Manifest):
            return wanted is None or disk.read(target) == wanted
        tar = run.tar(wanted)
        linked = tar.exists() and os.path.samefile(tar, target)
        return linked or disk.digest(target) == wanted.sha256
    except IsADirectoryError:
        return False


def _put(files: Iterable[Offer[bytes | None]]) -> None:
    for target, wanted in files:
        data = wanted()
        if data is not None and (not target.exists() or disk.read(target) != data):
            disk.replace(target, data)


def _tars(run: RunFolder, config: Config) -> Iterator[Offer[Manifest]]:
    sets = {split: (f"assemble-{split}", config.shards) for split in SPLITS}
    for name, (dataset_, shards) in (sets | {REALS: ("reals", config.real_shards)}).items():
        for shard in range(shards):
            target = run.path / "dataset" / tar_name(name, shard)
            yield target, partial(run.manifest, dataset_, shard)


def _index(run: RunFolder) -> Iterator[Offer[bytes | None]]:
    for name in ("edits.parquet", "index.json"):
        yield run.path / "dataset" / name, partial(_member, run, "index", "index", name)


def _readme(run: RunFolder) -> bytes:
    facts: IndexFacts = join(run, ("index",), 0).rows["index"].get("index", "IndexFacts")
    return readme(facts).encode()


def _models(run: RunFolder, config: Config) -> Iterator[Offer[bytes | None]]:
    for trial in trials(config):
        for member, suffix in (("model.safetensors", "safetensors"), ("curve.json", "json")):
            target = run.path / "models" / f"{trial.name}.{suffix}"
            yield target, partial(_member, run, f"train-{trial.name}", "model", member)


def _reports(run: RunFolder) -> Iterator[Offer[bytes | None]]:
    for member, name in (("page.html", "report.html"), ("text.md", "report.md")):
        yield run.path / name, partial(_member, run, "report", "report", member)


def _member(run: RunFolder, dataset: str, key: str, name: str) -> bytes | None:
    return join(run, (dataset,), 0).rows[key].raw(name)


def _link(run: RunFolder, manifest: Manifest, target: Path) -> None:
    """Raises `CorruptData` if the shard's tar is gone."""
    tar = run.tar(manifest)
    if not tar.exists():
        raise run.lost(manifest, FileNotFoundError())
    if target.exists() and os.path.samefile(tar, target):
        return
    disk.link_over(tar, target)
