"""Run the DAG on this machine: a process per stage and partition, in dependency order.

Stages are forked from a server that has the heavy imports loaded, so a stage costs milliseconds to
start; they are the same programs with the same argv as in a pod. Kill it at any moment and run it
again: what is committed is skipped.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from pipeline import audit, live, local_metrics, publish, runs, summary
from pipeline.child import Child, preloads, stop
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.errors import BUG, OK, SUSPECT, TRANSIENT, outcome
from pipeline.eta import Eta, kind, took
from pipeline.shards import RunFolder
from pipeline.stage import Stage
from pipeline.view import View


@dataclass(frozen=True, order=True)
class Task:
    """A stage over one partition; `order` is its place in the DAG, and its priority."""

    order: int
    name: str
    partition: tuple[int, int]

    def __str__(self) -> str:
        return self.name if self.partition[1] == 1 else f"{self.name} {self.partition[0]}"


def tasks(stages: tuple[Stage, ...], config: Config) -> dict[Task, set[Task]]:
    """Every task and the tasks it waits for. Partition k waits for partition k only, except where
    a stage of scope "run" gathers all."""
    parts = min(config.local.partitions, config.shards)
    of: dict[str, list[Task]] = {}
    scope = {stage.name: stage.scope for stage in stages}
    graph: dict[Task, set[Task]] = {}
    for order, stage in enumerate(stages):
        n = 1 if stage.scope == "run" else parts
        of[stage.name] = [Task(order, stage.name, (k, n)) for k in range(n)]
        for k, task in enumerate(of[stage.name]):
            graph[task] = set()
            for read in stage.reads:
                aligned = stage.scope == scope[read] == "shard"
                graph[task].update(of[read][k : k + 1] if aligned else of[read])
    return graph


def run(
    config: Config, photos: Path | None, out: Path, until: str = "report",
    metrics_port: int | None = None,
) -> int:  # fmt: skip
    """Run or resume, up to the stage `until`; prints a live bar, then where the results lie.
    Returns an exit code."""
    stages = needed(checked(config), until)
    with local_metrics.served(metrics_port, out) as ended:
        return _run(config, photos, out, stages, until, ended)


def _run(
    config: Config, photos: Path | None, out: Path, stages: tuple[Stage, ...], until: str,
    ended: Callable[[], None],
) -> int:  # fmt: skip
    started = time.monotonic()
    runs.claim(photos, out)
    with runs.lock(out):
        config, folder = runs.begin(config, photos, out)
        runs.sweep(folder)
        code, computed = Executor(stages, config, folder, ended).run()
        if code != OK:
            if folder.committed("index", 0):  # a detector failed; the dataset is whole
                publish.dataset(folder, config)
                print(f"the dataset is finished: {folder.path / 'dataset'}", flush=True)
            return code
        (publish.everything if until == "report" else publish.dataset)(folder, config)
    found = audit.audit(out, frozenset(stage.name for stage in stages))
    print(summary.closing(found, config, folder, computed, time.monotonic() - started))
    return found.exit_code


def needed(stages: tuple[Stage, ...], until: str) -> tuple[Stage, ...]:
    """Those of `stages` without which `until` cannot run, and itself; all for the last one."""
    if stages[-1].name == until:
        return stages
    by_name = {stage.name: stage for stage in stages}
    wanted, todo = set[str](), [until]
    while todo:
        if (name := todo.pop()) not in wanted:
            wanted.add(name)
            todo += by_name[name].reads
    return tuple(stage for stage in stages if stage.name in wanted)


class Executor:
    """`ended` is called whenever a process has ended."""

    def __init__(
        self, stages: tuple[Stage, ...], config: Config, folder: RunFolder,
        ended: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.stages = {stage.name: stage for stage in stages}
        self.config, self.folder = config, folder
        self.graph = tasks(stages, config)
        self.workers = config.local.workers or os.cpu_count() or 1
        self.failures: Counter[Task] = Counter()
        self.running: dict[Task, Child] = {}
        self.preload: list[str] = []
        self.ended = ended
        os.environ.pop(live.PORT, None)  # of a pod; a hundred processes cannot share it

    def done(self, task: Task) -> bool:
        shards = self.stages[task.name].shards(self.config, task.partition)
        return all(self.folder.committed(task.name, shard) for shard in shards)

    def run(self) -> tuple[int, int]:
        """Exit code, and how many tasks were really run. Whatever happens, no process is left."""
        todo = [task for task in self.graph if not self.done(task)]
        self.preload = preloads(self.stages[task.name] for task in todo)
        finished = len(self.graph) - len(todo)
        what = f"{self.config.profile}: {self.config.samples} samples, {len(self.graph)} steps"
        print(f"{what}, {finished} done; logs in {self.folder.path / 'logs'}", flush=True)
        with View(self._eta(set(todo))) as view:
            try:
                return self._work(view)
            finally:
                stop(self.running.values())

    def _eta(self, todo: Collection[Task]) -> Eta[Task]:
        """What this run's tasks will take; of those that are done, from what they took then."""
        kinds = {
            task: kind(self.stages[task.name], self.config, task.partition) for task in self.graph
        }
        eta = Eta(self.graph, kinds, self.workers)
        for task in [task for task in self.graph if task not in todo]:
            shards = self.stages[task.name].shards(self.config, task.partition)
            eta.learn(task, took(self.folder, task.name, shards))
        return eta

    def _work(self, view: View[Task]) -> tuple[int, int]:
        order = TopologicalSorter(self.graph)
        order.prepare()
        ready: list[Task] = []
        running = self.running
        computed = 0
        while order.is_active():
            ready = sorted([*ready, *order.get_ready()])
            for task in [task for task in ready if self.done(task)]:
                ready.remove(task)
                order.done(task)
            for task in self._startable(ready, running):
                ready.remove(task)
                running[task] = self._start(task)
            view.show(running)
            for task, child in self._ended(running):
                del running[task]
                self.ended()
                if child.exitcode == OK and self.done(task):
                    computed += 1
                    view.finished(task, child.seconds)
                elif not self._again(task, child, view):
                    return self._failed(task, child), computed
                ready.append(task)
        return OK, computed

    def _again(self, task: Task, child: Child, view: View[Task]) -> bool:
        """Whether to try once more: only after an end that promises to be transient."""
        self.failures[task] += 1
        tries = self.failures[task]
        code, words = self._end(child)
        if code not in (TRANSIENT, SUSPECT) or tries > self.config.local.retries:
            return False
        view.say(f"{task}: exit {code}, trying again: {words}")
        time.sleep(tries)
        return True

    def _startable(self, ready: list[Task], running: dict[Task, Child]) -> list[Task]:
        """As many as there are free workers; torchrun takes one worker for each process."""
        free = self.workers - sum(self._weight(task) for task in running)
        chosen: list[Task] = []
        for task in ready:
            if self._weight(task) <= free or not (running or chosen):
                chosen.append(task)
                free -= self._weight(task)
        return chosen

    def _weight(self, task: Task) -> int:
        return max(1, self.stages[task.name].processes)

    def _start(self, task: Task) -> Child:
        stage = self.stages[task.name]
        part = task.partition if stage.scope == "shard" else None
        name = f"{task.name}-{task.partition[0]}"
        return Child(stage.module, stage.argv(self.folder.path, part), stage.processes,
                     self.folder.path / "logs" / name, self.preload)  # fmt: skip

    @staticmethod
    def _ended(running: dict[Task, Child]) -> list[tuple[Task, Child]]:
        ended = [(task, child) for task, child in running.items() if child.poll() is not None]
        if not ended:
            time.sleep(0.02)
        return ended

    def _end(self, child: Child) -> tuple[int, str]:
        """The exit code that a child's end counts as, and why."""
        code, why = outcome(BUG if child.exitcode is None else child.exitcode)
        why = why or child.last_words(code)
        if code == TRANSIENT and not why:  # a full disk takes no last words, either
            where = self.folder.path
            why = f"the disk of {where} may be full: make room, then run the same command again"
        return code, why

    def _failed(self, task: Task, child: Child) -> int:
        code, why = self._end(child)
        failed = f"palimpsest: {task} failed (exit {code}); its log: {child.log}"
        if code == OK:
            failed = f"palimpsest: {task} ended well but committed nothing; its log: {child.log}"
        with suppress(OSError):  # where this cannot be printed, the code still says it
            print(f"\n{failed}\n{why}", file=sys.stderr)
        return code or BUG
