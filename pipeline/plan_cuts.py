"""Into how many partitions to cut a run, and what that comes to on so many GPUs.

A finer cut keeps more GPUs at work and reads the models' weights more often. A workflow holds about
a thousand nodes, and the workflows of one run wait for each other: so what could be submitted is a
few partitions at a time, and what would be best with any number of nodes is said beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline import schedule
from pipeline.argo import DAY, PARALLELISM, workflow_template
from pipeline.argo_nodes import nodes
from pipeline.config import Config
from pipeline.estimate import Work
from pipeline.plan_tasks import tasks, together
from pipeline.schedule import Timetable

#: Nodes that one workflow's status holds (docs/workflow.md), and how long it may take.
NODES, DEADLINE = 1000, 14 * DAY
#: Each figure of a plan is off by a quarter at least, so all cuts within this share of the least
#: time are alike. Of them the coarsest is taken, which makes fewest pods, that is so near to its
#: bound; where none is, the nearest.
ALIKE, NEAR = 0.02, 1.05
#: The finest cut that is tried, and by how much one is finer than the last.
FINEST, FINER = 600, 1.05


@dataclass(frozen=True)
class Cut:
    """A run cut into `parts`: a timetable for each workflow, one after the other. `bound`: no order
    of the same tasks is sooner done on so many GPUs, were there but one workflow."""

    parts: int
    span: int
    tables: tuple[Timetable, ...]
    bound: float

    @property
    def makespan(self) -> float:
        return sum(table.makespan for table in self.tables)

    @property
    def longest(self) -> float:
        """Seconds of the longest workflow."""
        return max(table.makespan for table in self.tables)

    @property
    def ratio(self) -> float:
        return self.makespan / self.bound if self.bound else 1.0

    @property
    def work(self) -> float:
        """GPU-seconds."""
        return sum(schedule.work(table.tasks) for table in self.tables)

    def placed(self) -> Iterator[tuple[int, float, float, int]]:
        """Every task: the place of its stage, begin and end in seconds, and what it holds."""
        start = 0.0
        for table in self.tables:
            for task, begin, end in zip(table.tasks, table.begin, table.end, strict=True):
                yield task.what, start + begin, start + end, task.gpus
            start += table.makespan


@dataclass(frozen=True)
class Limits:
    """How many partitions one workflow holds: as `run`, and as `paint` of a range. 0: not one."""

    run: int
    paint: int


def limits(config: Config, stages: Sequence[object]) -> Limits:
    """Counted in the workflow as it is rendered."""
    template = workflow_template(config, tuple(stages))  # type: ignore[arg-type]
    most = []
    for entry in ("run", "paint"):
        sizes = [nodes(template, {"partitions": str(n), "last-partition": str(n - 1)}, entry)
                 for n in (1, 2)]  # fmt: skip
        each = sizes[1] - sizes[0]
        most.append(max(0, (NODES - (sizes[0] - each)) // each))
    return Limits(*most)


def at(works: Sequence[Work], config: Config, gpus: int, parts: int) -> Cut:
    """One workflow of any size."""
    made = tasks(works, config, parts)
    table = schedule.simulate(made, gpus)
    return Cut(parts, parts, (table,), schedule.bound(made, gpus))


def best(works: Sequence[Work], config: Config, gpus: int) -> Cut:
    """The cut that is soonest done, were there no limit of nodes."""
    tried: list[Cut] = []
    least = float("inf")
    for low, parts in sorted((_low(works, config, gpus, n), n) for n in _cuts(config.shards)):
        if low > least * (1 + ALIKE):
            break
        tried.append(at(works, config, gpus, parts))
        least = min(least, tried[-1].makespan)
    return _chosen(tried)


def submitted(
    works: Sequence[Work], config: Config, gpus: int, limit: Limits, parts: int
) -> Cut:  # fmt: skip
    """As workflows really run: all in one, or one range of partitions after another and then the
    rest. Each has so many pods at a time as its template allows."""
    if parts <= limit.run:
        made = tasks(works, config, parts)
        table = schedule.simulate(made, gpus, PARALLELISM)
        return Cut(parts, parts, (table,), schedule.bound(made, gpus))
    span, known, tables = max(1, limit.paint), dict[tuple[int, ...], Timetable](), []
    for first in range(0, parts, span):
        among = range(first, min(first + span, parts))
        shape = tuple(_shards(works, config, k, parts) for k in among)
        if shape not in known:
            made = tasks(works, config, parts, among, only="shard")
            known[shape] = schedule.simulate(made, gpus, PARALLELISM)
        tables.append(known[shape])
    if rest := tasks(works, config, parts, only="run"):
        tables.append(schedule.simulate(rest, gpus, PARALLELISM))
    return Cut(parts, span, tuple(tables), _low(works, config, gpus, parts))


def submittable(
    works: Sequence[Work], config: Config, gpus: int, limit: Limits
) -> Cut:  # fmt: skip
    """The cut that is soonest done as it can be submitted. Where none is done by the deadline of a
    workflow, the one whose longest workflow is the shortest."""
    whole = range(1, min(max(limit.run, limit.paint, 1), config.shards) + 1)
    several, span = list[int](), max(1, limit.paint)
    while (several or [0])[-1] < config.shards and len(several) < 24:
        several.append(min(config.shards, span * 2 ** (len(several) + 1)))
    tried = [submitted(works, config, gpus, limit, n) for n in (*whole, *several)]
    timely = [cut for cut in tried if cut.longest <= DEADLINE]
    return _chosen(timely) if timely else min(tried, key=lambda cut: cut.longest)


def naive(works: Sequence[Work], config: Config, gpus: int) -> Cut:
    """One pod a model, which does all of its stages over all samples and reads its weights once."""
    return at(together(works), config, gpus, 1)


def _shards(works: Sequence[Work], config: Config, k: int, parts: int) -> int:
    return sum(len(work.stage.shards(config, (k, parts))) for work in works
               if work.stage.scope == "shard")  # fmt: skip


def _cuts(shards: int) -> list[int]:
    found, most = [1], min(shards, FINEST)
    while found[-1] < most:
        found.append(min(most, max(found[-1] + 1, round(found[-1] * FINER))))
    return found


def _low(works: Sequence[Work], config: Config, gpus: int, parts: int) -> float:
    """A bound of a cut that needs no list of all its tasks: one partition is the longest chain."""
    one = tasks(works, config, parts, range(parts - 1, parts))
    work = sum((w.count * w.seconds + w.load * (parts if w.stage.scope == "shard" else 1)) * w.gpus
               for w in works)  # fmt: skip
    return max(work / gpus, schedule.chain(one))


def _chosen(tried: Sequence[Cut]) -> Cut:
    least = min(cut.makespan for cut in tried)
    alike = [cut for cut in tried if cut.makespan <= least * (1 + ALIKE)]
    near = [cut for cut in alike if cut.ratio <= NEAR]
    return min(near, key=lambda cut: cut.parts) if near else min(alike, key=lambda cut: cut.ratio)
