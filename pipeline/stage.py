"""Stage (a pod, as a value) and Job (a pure batch function), and how a process finds its own.

A stage is a command: `python -m jobs.edit --family sdxl --turn 1 --partition 0/4 --run DIR` is the
same argv in a pod, in a local process and in a test. `pipeline.loop.work` runs a job over shards.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, NoReturn, TypeVar

from pipeline import events, meter, progress
from pipeline.config import Config, read
from pipeline.errors import ConfigError, InputError
from pipeline.records import Reject
from pipeline.shards import Row, RunFolder

In = TypeVar("In")
Out = TypeVar("Out")
#: The arguments that tell the stages of one module apart.
WHO = ("family", "variant", "turn", "split", "protocol", "detector", "task", "subset")
Transform = Callable[[Sequence[In]], Sequence[Out | Reject[Out]]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stop of the DAG. It writes the dataset that bears its name.

    `reads` are datasets, the lower layers first. `takes` and `gives` are records: every field that
    `takes` requires must be written by one of `reads`. A stage of scope "shard" fans out over
    partitions; one of scope "run" waits for all of them. `of` says whose shards these are: those of
    the samples, or of the photographs that nobody edits. `processes` > 0 asks for torchrun.
    `trained` are the detectors and tasks whose settings change what it writes, `keys_of_config` the
    keys that do beyond those and the dataset's.
    """

    name: str
    module: str
    args: tuple[str, ...]
    reads: tuple[str, ...]
    takes: type | None
    gives: type
    image: str = "base"
    scope: Literal["shard", "run"] = "shard"
    of: Literal["samples", "reals"] = "samples"
    gpu_gib: int = 0
    processes: int = 0
    trained: tuple[tuple[str, str], ...] = ()
    keys_of_config: tuple[str, ...] = ()

    def digest(self, config: Config) -> str:
        """Of all in a config that can change what this stage writes."""
        return config.digest(self.trained, self.keys_of_config)

    @property
    def given(self) -> dict[str, str]:
        """Its own arguments by their names, such as `--turn`."""
        return dict(zip(self.args[::2], self.args[1::2], strict=True))

    @property
    def family(self) -> str:
        """The model family that works here, "" of a stage without one."""
        return self.given.get("--family", "")

    @property
    def holds(self) -> tuple[Literal["gpu", "cpu"], int]:
        """What an attempt holds while it works: so many GPUs, or so many CPUs."""
        return "gpu" if self.gpu_gib else "cpu", max(1, self.processes)

    def argv(self, run: Path, partition: tuple[int, int] | None = None) -> list[str]:
        """Arguments after `python -m <module>`."""
        part = [] if partition is None else ["--partition", f"{partition[0]}/{partition[1]}"]
        return [*self.args, *part, f"--run={run}"]

    def shards(self, config: Config, partition: tuple[int, int] = (0, 1)) -> range:
        """The shards that a partition covers: contiguous ranges, alike in size."""
        if self.scope == "run":
            return range(1)
        k, n = partition
        total = config.shards if self.of == "samples" else config.real_shards
        return range(k * total // n, (k + 1) * total // n)

    def keys(self, config: Config, shard: int) -> list[str]:
        """The keys of a shard, for the stages where they come from."""
        return config.keys(shard) if self.of == "samples" else config.real_keys(shard)


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

    @property
    def already(self) -> int:
        """How many of its shards are committed when this is first asked, as it begins."""
        known = vars(self)  # a cached_property of Python 3.11 has one lock for all contexts
        if "_already" not in known:
            found = [self.run.committed(self.stage.name, shard) for shard in self.shards]
            known["_already"] = sum(found)
        return int(known["_already"])

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """Run, stage, family and partition: the labels of this process's metrics."""
        part = "{}/{}".format(*self.partition)
        return self.run.path.resolve().name, self.stage.name, self.stage.family, part


class Parser(argparse.ArgumentParser):
    """Says what is wrong as a `ConfigError`: whether a pod is tried again hangs on its exit code,
    and argparse's own (2) is none of ours."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}: see `python -m {self.prog} --help`")


def _parser(module: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=module,
        description="one stage of a run, over a partition of its shards",
        allow_abbrev=False,
    )
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--partition", default="0/1", help="k/n: the k-th of n ranges of shards")
    for name in WHO:
        parser.add_argument(f"--{name}", type=int if name == "turn" else str)
    return parser


def read_run(path: Path) -> Config:
    """The config that a run folder was begun with."""
    try:
        return read(path / "config.yaml")
    except (FileNotFoundError, NotADirectoryError):
        what = "it has no config.yaml" if path.is_dir() else "there is no such folder"
        raise InputError(f"{path} is not a run: {what}: give the folder that `palimpsest run` "
                         "wrote (runs/PROFILE, or its --out)") from None  # fmt: skip


def context(module: str, argv: list[str]) -> Context:
    """Find this process's stage in the DAG by its module and arguments."""
    from pipeline.dag import dag

    args = _parser(module).parse_args(argv)
    config = read_run(args.run)
    try:
        k, n = (int(part) for part in args.partition.split("/"))
    except ValueError:
        raise ConfigError(f"--partition {args.partition!r}: expected k/n, such as 0/4") from None
    if not 0 <= k < n:
        raise ConfigError(f"--partition {args.partition}: k must be at least 0 and below n")
    given = {f"--{name}": getattr(args, name) for name in WHO}
    who = {name: str(value) for name, value in given.items() if value is not None}
    for stage in dag(config):
        if stage.module == module and who == dict(
            zip(stage.args[::2], stage.args[1::2], strict=True)
        ):
            found = Context(RunFolder(args.run), config, stage, (k, n), args)
            events.speak_for(events.who(found), config.local.logs)
            meter.begun(found)
            progress.begun(found)
            return found
    asked = " ".join([module, *(f"{name} {value}" for name, value in who.items())])
    raise ConfigError(f"the run in {args.run} has no stage {asked}: see its config.yaml")
