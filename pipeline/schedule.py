"""Who would run when: tasks with parents on so many GPUs, started as a cluster starts pods.

A task that holds no GPU starts when its parents have ended. The others queue, first come first
served, those that come at once in the order of the DAG; one that needs more GPUs than are free is
passed over until they are (as Kubernetes passes over a pod that fits nowhere). Argo lets `pods` of
a workflow exist at a time, waiting ones included; 0 = any number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True)
class Task:
    """`after` are the places of its parents in the list of tasks, each before its own. `what` is
    for whoever reads the outcome."""

    seconds: float
    gpus: int
    after: tuple[int, ...]
    what: int = 0


@dataclass(frozen=True, slots=True)
class Timetable:
    """`begin` and `end` of each task in seconds, in the order of the list."""

    tasks: Sequence[Task]
    begin: list[float]
    end: list[float]

    @property
    def makespan(self) -> float:
        return max(self.end, default=0.0)


def chain(tasks: Sequence[Task]) -> float:
    """Seconds of the longest chain of tasks that wait for each other: on no number of GPUs is all
    done sooner."""
    ends: list[float] = []
    for task in tasks:
        ends.append(task.seconds + max((ends[i] for i in task.after), default=0.0))
    return max(ends, default=0.0)


def work(tasks: Sequence[Task]) -> float:
    """GPU-seconds of all."""
    return sum(task.seconds * task.gpus for task in tasks)


def bound(tasks: Sequence[Task], gpus: int) -> float:
    """No order of these tasks is done sooner on so many GPUs."""
    return max(work(tasks) / gpus, chain(tasks))


def simulate(tasks: Sequence[Task], gpus: int, pods: int = 0) -> Timetable:
    """Play it. A task may hold `gpus` at most: one that wants more gets no less than all."""
    return _Cluster(tasks, gpus, pods).play()


class _Cluster:
    def __init__(self, tasks: Sequence[Task], gpus: int, pods: int) -> None:
        self.tasks, self.free, self.most = tasks, gpus, gpus
        self.slots = pods or len(tasks)
        self.begin, self.end = [0.0] * len(tasks), [0.0] * len(tasks)
        self.missing = [len(task.after) for task in tasks]
        self.below: list[list[int]] = [[] for _ in tasks]
        for i, task in enumerate(tasks):
            for parent in task.after:
                self.below[parent].append(i)
        self.ready: list[tuple[float, int]] = []  # no pod yet
        self.queue: deque[int] = deque()  # pods that wait for GPUs
        self.running: list[tuple[float, int]] = []

    def play(self) -> Timetable:
        self.ready = [(0.0, i) for i, count in enumerate(self.missing) if not count]
        now = 0.0
        self._start(now)
        while self.running:
            now = self.running[0][0]
            while self.running and self.running[0][0] <= now:
                self._ended(now, heappop(self.running)[1])
            self._start(now)
        return Timetable(self.tasks, self.begin, self.end)

    def _ended(self, now: float, i: int) -> None:
        self.slots += 1
        self.free += min(self.tasks[i].gpus, self.most)
        for child in self.below[i]:
            self.missing[child] -= 1
            if not self.missing[child]:
                heappush(self.ready, (now, child))

    def _start(self, now: float) -> None:
        while self.ready and self.slots:
            i = heappop(self.ready)[1]
            self.slots -= 1
            if self.tasks[i].gpus:
                self.queue.append(i)
            else:
                self._run(now, i)
        passed: list[int] = []
        while self.queue and self.free:
            i = self.queue.popleft()
            if min(self.tasks[i].gpus, self.most) <= self.free:
                self._run(now, i)
            else:
                passed.append(i)
        self.queue.extendleft(reversed(passed))

    def _run(self, now: float, i: int) -> None:
        task = self.tasks[i]
        self.free -= min(task.gpus, self.most)
        self.begin[i], self.end[i] = now, now + task.seconds
        heappush(self.running, (self.end[i], i))
