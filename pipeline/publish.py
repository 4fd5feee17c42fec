"""Plain names for people: `dataset/train-00000.tar`, `dataset/edits.parquet`, `report.html`,
`report.md`.

Committed shards bear content-addressed names; these are hard links to them (copies where the file
system has no links) that any webdataset reader, viewer or browser takes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline import disk
from pipeline.config import Config
from pipeline.datacard import REALS, SPLITS, readme
from pipeline.documents import IndexFacts
from pipeline.manifest import Manifest
from pipeline.protocols import trials
from pipeline.shards import RunFolder, join


def tar_name(split: str, shard: int) -> str:
    return f"{split}-{shard:05d}.tar"


def everything(run: RunFolder, config: Config) -> None:
    """All that a finished run offers. Safe to repeat."""
    dataset(run, config)
    models(run, config)
    report = join(run, ("report",), 0).rows["report"]
    for member, name in (("page.html", "report.html"), ("text.md", "report.md")):
        data, target = report.raw(member), run.path / name
        if data is not None and (not target.exists() or disk.read(target) != data):
            disk.replace(target, data)


def dataset(run: RunFolder, config: Config) -> None:
    """Link the non-empty shards of each split and of the photographs that nobody edited, write the
    index and the README beside them, and remove shards of ours that are none any more. Other files
    are left alone."""
    folder = run.path / "dataset"
    disk.make_folder(folder)
    linked = set()
    sets = {split: (f"assemble-{split}", config.shards) for split in SPLITS}
    for name, (dataset_, shards) in (sets | {REALS: ("reals", config.real_shards)}).items():
        for shard in range(shards):
            manifest = run.manifest(dataset_, shard)
            if manifest.records:
                linked.add(tar_name(name, shard))
                _link(run, manifest, folder / tar_name(name, shard))
    ours = re.compile(rf"({'|'.join((*SPLITS, REALS))})-\d{{5}}\.tar")
    for path in folder.iterdir():
        if ours.fullmatch(path.name) and path.name not in linked:
            disk.system.remove(path)
    for name in ("edits.parquet", "index.json"):
        disk.replace(folder / name, _member(run, "index", "index", name))
    facts: IndexFacts = join(run, ("index",), 0).rows["index"].get("index", "IndexFacts")
    disk.replace(folder / "README.md", readme(facts).encode())


def models(run: RunFolder, config: Config) -> None:
    """Each trained detector as `models/<trial>.safetensors`, and its curve as `.json` beside it."""
    for trial in trials(config):
        row = join(run, (f"train-{trial.name}",), 0).rows["model"]
        for member, suffix in (("model.safetensors", "safetensors"), ("curve.json", "json")):
            data, target = row.raw(member), run.path / "models" / f"{trial.name}.{suffix}"
            if data is not None and (not target.exists() or disk.read(target) != data):
                disk.replace(target, data)


def _member(run: RunFolder, dataset: str, key: str, name: str) -> bytes:
    data = join(run, (dataset,), 0).rows[key].raw(name)
    assert data is not None
    return data


def _link(run: RunFolder, manifest: Manifest, target: Path) -> None:
    """Raises `CorruptData` if the shard's tar is gone."""
    tar = run.tar(manifest)
    if not tar.exists():
        raise run.lost(manifest, FileNotFoundError())
    if target.exists() and os.path.samefile(tar, target):
        return
    disk.link_over(tar, target)
