"""A run of three small stages and a few samples, made by the real loop: the ground that faults are
tried on. A whole run takes milliseconds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.config import Config, parse
from pipeline.loop import work
from pipeline.records import Reject
from pipeline.shards import RunFolder
from pipeline.stage import Context, Job, Stage

Text: TypeAlias = str
SAMPLES, SHARDS, BATCH = 12, 2, 2
CONFIG = f"""
profile: mini
seed: 1
samples: {SAMPLES}
shard_size: {SAMPLES // SHARDS}
families: {{clone: 1, heal: 2}}
local: {{partitions: {SHARDS}, workers: 2, retries: 2}}
"""


@dataclass(frozen=True, slots=True)
class First:
    text: Text


@dataclass(frozen=True, slots=True)
class ToSecond:
    key: str
    text: Text


@dataclass(frozen=True, slots=True)
class Second:
    more: Text


@dataclass(frozen=True, slots=True)
class ToThird:
    key: str
    text: Text
    more: Text


@dataclass(frozen=True, slots=True)
class Third:
    last: Text


STAGES = (
    Stage("first", "mini", ("--split", "first"), (), None, First),
    Stage("second", "mini", ("--split", "second"), ("first",), ToSecond, Second),
    Stage("third", "mini", ("--split", "third"), ("first", "second"), ToThird, Third),
)


@cache  # it is a quarter of what an attempt takes
def config() -> Config:
    return parse(CONFIG, "mini")


#: Whether a stage declines a sample, and why; "" = it does not.
Decline = Callable[[str, str], str]


def decline(stage: str, key: str) -> str:
    """One sample in five is declined by the first stage, another by the second."""
    place = int(key) % 5
    return {("first", 3): "unreadable-image", ("second", 1): "low-score"}.get((stage, place), "")


def job(stage: Stage, declines: Decline = decline, salt: str = "") -> Job[Any, Any]:
    """`salt` stands for what makes two attempts differ, such as another GPU."""

    def one(item: Any) -> Any:
        key = item if isinstance(item, str) else item.key
        why: Any = declines(stage.name, key)
        if stage.name == "first":
            made: Any = First(f"{key} " * 40 + salt)
        elif stage.name == "second":
            made = Second(item.text[::-1] + salt)
        else:
            made = Third(f"{len(item.text)} {len(item.more)}{salt}")
        kept = made if why == "low-score" else None
        return Reject(why, key, kept) if why else made

    def transform(batch: Sequence[Any]) -> list[Any]:
        return [one(item) for item in batch]

    return Job(stage.takes, stage.gives, lambda: (transform, "m" * 16), batch=BATCH)


def context(run: RunFolder, stage: Stage, partition: tuple[int, int] = (0, 1)) -> Context:
    return Context(run, config(), stage, partition, argparse.Namespace())


def compute(run: RunFolder, declines: Decline = decline, shards: int = 1) -> None:
    """All stages over the first of SHARDS shards, or over all of them."""
    for stage in STAGES:
        part = (0, SHARDS) if shards == 1 else (0, 1)
        work(context(run, stage, part), job(stage, declines))


def digests(run: RunFolder) -> dict[str, str]:
    """Of every committed shard, whose bytes are read; the rejects are in it."""
    found = {}
    for path in sorted(run.datasets.glob("*/*.json")):
        manifest = run.manifest(path.parent.name, int(path.stem))
        run.verify(manifest)
        assert manifest.balanced()
        declined = ",".join(f"{one.key}:{one.reason}" for one in manifest.rejected)
        found[f"{manifest.dataset}/{manifest.shard}"] = f"{manifest.sha256} {declined}"
    return found


def begun(path: Path) -> RunFolder:
    path.mkdir(parents=True)
    return RunFolder(path)
