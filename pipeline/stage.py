"""Stage (a pod, as a value) and Job (a pure batch function), and how a process finds its own.

A stage is a command: `python -m jobs.edit --family sdxl --turn 1 --partition 0/4 --run DIR` is the
same argv in a pod, in a local process and in a test. `pipeline.loop.work` runs a job over shards.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pipeline.config import Config, parse
from pipeline.errors import ConfigError, InputError
from pipeline.records import Reject
from pipeline.shards import Row, RunFolder

In = TypeVar("In")
Out = TypeVar("Out")
Transform = Callable[[Sequence[In]], Sequence[Out | Reject[Out]]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stop of the DAG. It writes the dataset that bears its name.

    `reads` are datasets, the lower layers first. `takes` and `gives` are records: every field that
    `takes` requires must be written by one of `reads`. A stage of scope "shard" fans out over
    partitions; one of scope "run" waits for all of them. `processes` > 0 asks for torchrun.
    """

    name: str
    module: str
    args: tuple[str, ...]
    reads: tuple[str, ...]
    takes: type | None
    gives: type
    image: str = "base"
    scope: Literal["shard", "run"] = "shard"
    gpu_gib: int = 0
    processes: int = 0

    def argv(self, run: Path, partition: tuple[int, int] | None = None) -> list[str]:
        """Arguments after `python -m <module>`."""
        part = [] if partition is None else ["--partition", f"{partition[0]}/{partition[1]}"]
        return [*self.args, *part, "--run", str(run)]

    def shards(self, config: Config, partition: tuple[int, int] = (0, 1)) -> range:
        """The shards that a partition covers: contiguous ranges, alike in size."""
        if self.scope == "run":
            return range(1)
        k, n = partition
        return range(k * config.shards // n, (k + 1) * config.shards // n)


@dataclass(frozen=True)
class Job(Generic[In, Out]):
    """A pure batch function and what the loop must know about it.

    `load` is called once, before the first batch that is not empty, and returns the transform and a
    digest of the model ("" without one). `mine` picks the samples this stage answers for, from
    cheap fields; batches of `batch` samples never cross a shard (0 = the whole shard is one batch).
    A job that takes None gets the shard's sample keys: it is where samples come from.
    """

    takes: type[In] | None
    gives: type[Out]
    load: Callable[[], tuple[Transform[In, Out], str]]
    mine: Callable[[Row], bool] = lambda row: True
    batch: int = 0


@dataclass(frozen=True)
class Context:
    """Who this process is: the run, its config, its stage and its share of the shards."""

    run: RunFolder
    config: Config
    stage: Stage
    partition: tuple[int, int]
    args: argparse.Namespace

    @property
    def shards(self) -> range:
        return self.stage.shards(self.config, self.partition)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="one stage of a run, over a partition of its shards"
    )
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--partition", default="0/1", help="k/n: the k-th of n ranges of shards")
    for name in ("family", "split", "detector", "task"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--turn", type=int)
    return parser


def read_run(path: Path) -> Config:
    """The config that a run folder was begun with."""
    try:
        return parse((path / "config.yaml").read_text(), str(path / "config.yaml"))
    except FileNotFoundError:
        raise InputError(f"{path} is not a run: it has no config.yaml") from None


def context(module: str, argv: list[str]) -> Context:
    """Find this process's stage in the DAG by its module and arguments."""
    from pipeline.dag import dag

    args = _parser().parse_args(argv)
    config = read_run(args.run)
    try:
        k, n = (int(part) for part in args.partition.split("/"))
    except ValueError:
        raise ConfigError(f"--partition {args.partition!r}: expected k/n, such as 0/4") from None
    if not 0 <= k < n:
        raise ConfigError(f"--partition {args.partition}: k must be at least 0 and below n")
    who = _who(vars(args))
    for stage in dag(config):
        if stage.module == module and _who(vars(_parser().parse_args(stage.argv(args.run)))) == who:
            return Context(RunFolder(args.run), config, stage, (k, n), args)
    asked = " ".join(f"--{name} {value}" for name, value in who.items())
    raise ConfigError(f"this run has no stage {module} {asked}: see `palimpsest show`")


def _who(args: dict[str, Any]) -> dict[str, Any]:
    names = ("family", "turn", "split", "detector", "task")
    return {name: args[name] for name in names if args[name] is not None}
