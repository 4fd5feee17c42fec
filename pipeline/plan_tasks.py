"""A run as tasks of a schedule: each stage over each partition, as the workflow has them.

Partition k waits for partition k only. What works at the whole run waits for all partitions, as
the workflow's `finish` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pipeline.config import Config
from pipeline.estimate import Work
from pipeline.schedule import Task


def tasks(
    works: Sequence[Work], config: Config, parts: int, among: range | None = None,
    only: Literal["shard", "run"] | None = None,
) -> list[Task]:  # fmt: skip
    """The tasks of these stages with their run cut into `parts`; with `among`, only those of these
    partitions, with `only`, those of stages of one scope. Partition after partition, in which order
    Argo makes pods that may start at the same time. `Task.what` is the place of its stage in
    `works`."""
    parents, made = direct(works), list[Task]()
    for k in among or range(parts) if only != "run" else ():
        made += _partition(works, config, (k, parts), parents, len(made))
    painted, at = tuple(last(made)), dict[str, int]()
    for what, work in enumerate(works):
        if work.stage.scope == "run" and only != "shard":
            after = tuple(at[name] for name in parents[work.stage.name]) or painted
            at[work.stage.name] = len(made)
            made.append(Task(work.pod(1.0), work.gpus, after, what))
    return made


def _partition(
    works: Sequence[Work], config: Config, part: tuple[int, int],
    parents: dict[str, tuple[str, ...]], first: int,
) -> list[Task]:  # fmt: skip
    """The tasks of one partition, the first of which will be number `first` of all."""
    made, at = list[Task](), dict[str, int]()
    for what, work in enumerate(works):
        stage = work.stage
        if stage.scope == "run":
            continue
        share = len(stage.shards(config, part)) / max(1, len(stage.shards(config)))
        after = tuple(at[name] for name in parents[stage.name])
        at[stage.name] = first + len(made)
        made.append(Task(work.pod(share), work.gpus, after, what))
    return made


def last(made: Sequence[Task]) -> Iterable[int]:
    """The places of tasks that none of the others waits for."""
    waited = {i for task in made for i in task.after}
    return (i for i in range(len(made)) if i not in waited)


def direct(works: Sequence[Work]) -> dict[str, tuple[str, ...]]:
    """Of each stage, those it reads that none of the others it reads has waited for; of one that
    works at the whole run, only such as do, too."""
    scope = {work.stage.name: work.stage.scope for work in works}
    above: dict[str, frozenset[str]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for work in works:
        stage = work.stage
        needs = [name for name in stage.reads if scope.get(name) == stage.scope]
        implied = frozenset[str]().union(*(above[name] for name in needs))
        above[stage.name] = implied.union(needs)
        found[stage.name] = tuple(name for name in needs if name not in implied)
    return found


def together(works: Sequence[Work]) -> list[Work]:
    """The same with the weights of each model read once: what one pod does that has all of a
    model's work, one stage after the other."""
    seen = set[str]()
    found = []
    for work in works:
        known = work.model in seen and work.stage.scope == "shard"
        seen.add(work.model)
        found.append(replace(work, load=0.0) if known else work)
    return found
