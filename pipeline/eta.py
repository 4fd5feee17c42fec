"""When a run on this machine will be done: the tasks that are left, played on its workers.

How long a task takes is learned from those that have ended, or are well on their way: the same
stage's other partitions, else its family's other turns, else others of its module. What nothing is
known of yet is guessed from `GUESS`, at the pace at which this machine did what has ended. A task
that works is reckoned by its own progress, the more so the further it is. What is shown goes down
with the clock and is drawn towards the newest estimate, so that it does not jump.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline import schedule
from pipeline.config import Config
from pipeline.errors import PalimpsestError
from pipeline.shards import RunFolder
from pipeline.stage import Stage

T = TypeVar("T")
#: Seconds of a task of the demo (half of 128 samples, or one training of 120 steps) on two cores,
#: by module: of use for what they are among each other. Others: `OTHER`.
GUESS = {
    "jobs.ingest": 0.8, "jobs.generate": 0.2, "jobs.segment": 0.4, "jobs.edit": 1.2,
    "jobs.replay": 1.2, "training.train": 75.0, "training.evaluate": 6.0, "training.report": 3.0,
}  # fmt: skip
OTHER = 0.3
#: Of starting one, however little it has to do.
START = 0.1
#: Of the samples that those guesses are for.
SAMPLES = 64
#: The share from which on a task that works is reckoned by its own progress alone.
SURE = 0.1
#: What is shown follows the estimate within so many seconds, and a twentieth of what is left.
CALM, CALM_SHARE = 4.0, 0.05


@dataclass(frozen=True)
class Kind:
    """What is known of a task before it runs: what is `like` it, the nearest first; a guess of its
    seconds; how many workers it takes."""

    like: tuple[str, ...]
    guess: float
    workers: int = 1


def kind(stage: Stage, config: Config, partition: tuple[int, int]) -> Kind:
    """Of a stage over a partition of its shards."""
    among = stage.shards(config, partition)
    share = len(among) * config.shard_size / SAMPLES
    if stage.scope == "run":
        share = config.samples / (2 * SAMPLES)
    if stage.module == "training.train":  # as many steps as the recipe has, whatever is learned
        share = (config.detectors[stage.trained[0][0]].steps or 10_000) / 120
    like = (stage.name, f"{stage.module} {stage.family}", stage.module)
    guess = START + GUESS.get(stage.module, OTHER) * share
    return Kind(like, guess, max(1, stage.processes))


def took(run: RunFolder, dataset: str, shards: range) -> float | None:
    """About how many seconds the committed `shards` of a dataset took, from the first one's
    manifest; None without shards, or where it cannot be read, which others will tell."""
    try:
        return run.manifest(dataset, shards[0]).attempt.seconds * len(shards)
    except (IndexError, OSError, PalimpsestError):
        return None


@dataclass
class Pace:
    """A task at work: where its progress was first seen, and where it is."""

    begun: float
    first: tuple[float, float] | None = None
    seen: tuple[float, float] | None = None

    def see(self, now: float, share: float) -> None:
        if self.first is None or share < self.first[1]:  # what was first a cache is a training now
            self.first = self.seen = (now, share)
        elif self.seen is None or share > self.seen[1]:
            self.seen = (now, share)

    def left(self, now: float, expected: float) -> float:
        """Seconds until it ends."""
        elapsed = now - self.begun
        guess = max(expected - elapsed, 0.1 * elapsed if expected < elapsed else 0.0)
        if self.first is None or self.seen is None or self.seen[1] <= self.first[1]:
            return guess
        (first, had), (seen, share) = self.first, self.seen
        own = max((1 - share) * (seen - first) / (share - had) - (now - seen), 0.0)
        trust = min(share / SURE, 1.0)
        return trust * own + (1 - trust) * guess


class Eta(Generic[T]):
    """`after` names for each task those it waits for, in an order in which they could run."""

    def __init__(
        self, after: Mapping[T, Collection[T]], kinds: Mapping[T, Kind], workers: int
    ) -> None:
        self.after, self.kinds, self.workers = after, kinds, workers
        self._took: dict[str, list[float]] = defaultdict(list)
        self._actual = self._guessed = 0.0
        self._done: set[T] = set()
        self._paces: dict[T, Pace] = {}
        self._likely: dict[str, float] = {}  # seconds in all of tasks well on their way
        self._shown: tuple[float, float] | None = None
        self._furthest = 0.0

    @property
    def done(self) -> int:
        """Tasks that are done."""
        return len(self._done)

    def learn(self, task: T, seconds: float | None) -> None:
        """A task is done; it took so many seconds, None = nobody knows."""
        self._done.add(task)
        self._paces.pop(task, None)
        if seconds is not None:
            for like in self.kinds[task].like:
                self._took[like].append(seconds)
            self._actual += seconds
            self._guessed += self.kinds[task].guess

    def expected(self, task: T) -> float:
        """Seconds that a task takes in all."""
        known = self.kinds[task]
        for like in known.like:
            if took := self._took.get(like):
                return sum(took) / len(took)
            if like in self._likely:
                return self._likely[like]
        pace = self._actual / self._guessed if self._guessed else 1.0
        return known.guess * pace

    def estimate(self, now: float, running: Mapping[T, float]) -> float:
        """Seconds until all is done, as they seem now; `running` are the shares done, 0 to 1."""
        for task in [task for task in self._paces if task not in running]:
            del self._paces[task]
        for task, share in running.items():
            pace = self._paces.setdefault(task, Pace(now))
            pace.see(now, share)
            if share >= SURE:
                total = now - pace.begun + pace.left(now, 0.0)
                self._likely.update(dict.fromkeys(self.kinds[task].like, total))
        left = [task for task in self.after if task not in self._done]
        left.sort(key=lambda task: task not in running)  # stable: who works holds a worker first
        place = {task: i for i, task in enumerate(left)}
        return schedule.simulate([
            schedule.Task(self._left(now, task), self.kinds[task].workers,
                          () if task in running else
                          tuple(place[one] for one in self.after[task] if one in place))
            for task in left
        ], self.workers).makespan  # fmt: skip

    def _left(self, now: float, task: T) -> float:
        expected = self.expected(task)
        pace = self._paces.get(task)
        return pace.left(now, expected) if pace else expected

    def shown(self, now: float, running: Mapping[T, float]) -> float:
        """Seconds to show."""
        newest = self.estimate(now, running)
        if self._shown is not None:
            then, last = self._shown
            counted = max(last - (now - then), 0.0)
            follow = 1 - math.exp(-(now - then) / (CALM + CALM_SHARE * counted))
            newest = counted + follow * (newest - counted)
        self._shown = now, newest
        return newest

    def share(self, now: float) -> float:
        """Of the work, in seconds of workers, done so far: 0 to 1, and never less than before."""
        whole = done = 0.0
        for task, known in self.kinds.items():
            seconds = self.expected(task)
            left = 0.0 if task in self._done else min(self._left(now, task), seconds)
            whole += seconds * known.workers
            done += (seconds - left) * known.workers
        self._furthest = max(self._furthest, done / whole if whole else 1.0)
        return self._furthest


def clock(seconds: float) -> str:
    """1:45, or 2:03:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
