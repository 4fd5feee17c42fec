"""Which pictures a split has: finished samples, and photographs that nobody edited."""

from __future__ import annotations

from collections import Counter

from pipeline.config import Config
from pipeline.documents import Real, Sample, Source, Split
from pipeline.errors import InputError
from pipeline.records import ToTrain
from pipeline.shards import Row, RunFolder, join
from pipeline.summary import TURNS


def accepted(run: RunFolder, config: Config, split: str) -> tuple[list[Row], dict[str, str]]:
    """The samples of `assemble-<split>` that were not declined, and the tar digest of every shard.
    Raises `InputError` if there are none; no picture is read."""
    rows, parents = _kept(run, f"assemble-{split}", config.shards)
    if not rows:
        raise InputError(_why_empty(run, config, split))
    return rows, parents


def parents(run: RunFolder, config: Config, split: Split) -> dict[str, str]:
    """The tar digests of all that `rows` looks at, by "dataset/shard"."""
    return {
        f"{dataset}/{shard:05d}": run.manifest(dataset, shard).sha256
        for dataset, count in _shards(config, split).items()
        for shard in range(count)
    }


def rows(run: RunFolder, config: Config, split: Split) -> list[Row]:
    """The accepted samples of a split, then its photographs without an edit, in order of keys: in
    val the negatives alone, since segmentation is scored on edited pictures (paper, 4.1). Raises
    `InputError` if there is no sample; no picture is read."""
    photographs, _ = _kept(run, "reals", config.real_shards)
    return accepted(run, config, split)[0] + [row for row in photographs if _belongs(row, split)]


def sources(run: RunFolder, config: Config, split: Split) -> dict[str, str]:
    """Source -> the key of one of its pictures, over all shards of a split that are there."""
    found: dict[str, str] = {}
    for dataset, count in _shards(config, split).items():
        for shard in range(count):
            if run.committed(dataset, shard):
                for row in join(run, [dataset], shard).rows.values():
                    if (origin := _origin(row)) is not None and origin.split == split:
                        found.setdefault(origin.source_id, row.key)
    return found


def _origin(row: Row) -> Source | None:
    real: Real | None = row.get("real", "Real")
    sample: Sample | None = row.get("sample", "Sample")
    return real.source if real else sample.source if sample else None


def _shards(config: Config, split: Split) -> dict[str, int]:
    return {f"assemble-{split}": config.shards, "reals": config.real_shards}


def _belongs(row: Row, split: Split) -> bool:
    real: Real = row.get("real", "Real")
    return real.source.split == split and (split == "train" or real.part == "negative")


def _kept(run: RunFolder, dataset: str, shards: int) -> tuple[list[Row], dict[str, str]]:
    found: list[Row] = []
    digests: dict[str, str] = {}
    for shard in range(shards):
        joined = join(run, [dataset], shard)
        declined = {item.key for manifest in joined.manifests for item in manifest.rejected}
        found += [r for r in joined.rows.values() if r.has(ToTrain) and r.key not in declined]
        digests |= {f"{name}/{shard:05d}": digest for name, digest in joined.parents.items()}
    return found, digests


def _why_empty(run: RunFolder, config: Config, split: str) -> str:
    """How many samples there were, and what became of them, over all manifests of the run."""
    declined: Counter[str] = Counter()
    for path in sorted(run.datasets.glob("*/?????.json")):
        if path.parent.name.startswith((*TURNS, "reals")):  # a turn that failed costs no sample
            continue
        manifest = run.manifest(path.parent.name, int(path.stem))
        declined.update(item.reason for item in manifest.rejected)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(declined.items()))
    return (
        f"the {split} split has 0 of the run's {config.samples} samples in "
        f"{run.datasets / f'assemble-{split}'} (declined: {reasons or 'none'}), and detectors need "
        "both train and val: begin a new run with more samples or more photographs, change what "
        "declined them, or leave detectors out"
    )
