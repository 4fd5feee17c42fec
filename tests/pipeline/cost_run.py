"""Run folders for the tests of costs: shards committed as stages do, of which only times matter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.manifest import Manifest, Rejected
from pipeline.shards import RunFolder
from pipeline.writer import Writer

FACTS = {"config": "", "code": "", "model": "", "seeds": ""}
KEYS = tuple(f"{i:08d}" for i in range(8))


def begun(path: Path, **keys: Any) -> tuple[RunFolder, Config]:
    """A run of eight samples in two shards, without anything committed."""
    config = Config.model_validate({
        "profile": "costs", "samples": 8, "shard_size": 4, "families": {"clone": 1, "heal": 2},
        "editing": {"weights": "local", "device": "cpu"}, **keys,
    })  # fmt: skip
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(config.to_yaml())
    return RunFolder(path), config


def commit(
    run: RunFolder, stage: str, shard: int, keys: Iterable[str], seconds: float,
    rejected: dict[str, str] | None = None, load: float = 0.0, **attempt: Any,
) -> Manifest:  # fmt: skip
    """Samples `keys` came in; those in `rejected`, by reason, were declined."""
    keys, declined = list(keys), rejected or {}
    with Writer(run, stage, shard) as writer:
        for key in keys:
            if key not in declined:
                writer.add(key, [("x.txt", b"x")])
        why = [Rejected.model_validate({"key": k, "reason": r}) for k, r in declined.items()]
        phases = {"load": load} if load else {}
        return writer.commit(keys, why, {}, FACTS,
                             {"seconds": seconds, "phases": phases, **attempt})  # fmt: skip


def assembled(run: RunFolder, shard: int, **splits: str) -> None:
    """Commit the three splits of a shard, in 0 seconds; `train="02"` has the shard's samples 0 and
    2."""
    for split in ("train", "val", "filtered"):
        keys = [KEYS[4 * shard + int(i)] for i in splits.get(split, "")]
        commit(run, f"assemble-{split}", shard, keys, 0.0)
