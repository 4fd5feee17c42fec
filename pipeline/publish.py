"""Plain names for people: `dataset/train-00000.tar`, `dataset/edits.parquet`, `report.html`.

Committed shards bear content-addressed names; these are hard links to them (copies where the file
system has no links) that any webdataset reader, viewer or browser takes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipeline import disk
from pipeline.config import Config
from pipeline.shards import RunFolder, join

SPLITS = ("train", "val", "filtered")


def everything(run: RunFolder, config: Config) -> None:
    """All that a finished run offers. Safe to repeat."""
    dataset(run, config)
    page = _member(run, "report", "report", "page.html")
    target = run.path / "report.html"
    if not target.exists() or target.read_bytes() != page:
        disk.replace(target, page)


def dataset(run: RunFolder, config: Config) -> None:
    """Link the non-empty shards of each split, and write the index beside them."""
    folder = run.path / "dataset"
    folder.mkdir(exist_ok=True)
    for split in SPLITS:
        for shard in range(config.shards):
            manifest = run.manifest(f"assemble-{split}", shard)
            if manifest.records:
                _link(run.tar(manifest), folder / f"{split}-{shard:05d}.tar")
    for name in ("edits.parquet", "index.json"):
        disk.replace(folder / name, _member(run, "index", "index", name))


def _member(run: RunFolder, dataset: str, key: str, name: str) -> bytes:
    data = join(run, (dataset,), 0).rows[key].raw(name)
    assert data is not None
    return data


def _link(tar: Path, target: Path) -> None:
    if target.exists() and os.path.samefile(tar, target):
        return
    aside = target.with_name(f".{target.name}.new")
    aside.unlink(missing_ok=True)
    try:
        os.link(tar, aside)
    except OSError:
        shutil.copyfile(tar, aside)
    os.replace(aside, target)
