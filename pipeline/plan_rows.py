"""A plan's figures, summed up by who works and by what is done, and over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.estimate import Work
from pipeline.plan_cuts import Cut
from pipeline.stage import Stage

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """`held` are GPU-seconds (CPU-seconds of a plan without GPUs), `cpu` those of pods without one;
    `busy` the seconds in which any of its pods works."""

    name: str
    pods: int
    held: float
    cpu: float
    busy: float
    bars: tuple[float, ...]

    @property
    def wide(self) -> float:
        """How many GPUs it has while it works, on the average."""
        return self.held / self.busy if self.busy else 0.0


def rows(cut: Cut, works: Sequence[Work], names: Sequence[str], bins: int = 1) -> list[Row]:
    """A row for each name in their order of coming; `names` are those of `works`, one by one.
    `bars` are the GPUs held in each of so many equal spans of time."""
    spans: dict[str, list[Span]] = {}
    held: dict[str, list[float]] = {}
    bars: dict[str, list[float]] = {}
    width = cut.makespan / bins or 1.0
    for what, begin, end, gpus in cut.placed():
        name = names[what]
        spans.setdefault(name, []).append((begin, end))
        sums = held.setdefault(name, [0.0, 0.0])
        sums[0 if gpus else 1] += (end - begin) * (gpus or 1)
        _fill(bars.setdefault(name, [0.0] * bins), begin / width, end / width, gpus)
    found = dict.fromkeys(name for name in names if name in spans)
    return [Row(name, len(spans[name]), held[name][0], held[name][1], union(spans[name]),
                tuple(bars[name])) for name in found]  # fmt: skip


def _fill(bars: list[float], begin: float, end: float, gpus: int) -> None:
    first = int(begin)
    for i in range(first, min(len(bars), int(end) + 1) if gpus else first):
        bars[i] += max(0.0, min(end, i + 1) - max(begin, i)) * gpus


def union(spans: Iterable[Span]) -> float:
    """Seconds that at least one of them covers."""
    total, last = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, last))
        last = max(last, end)
    return total


def who(work: Work) -> str:
    """Whose work it is: a model's, or what is done without one."""
    if work.stage.trained and work.model:
        return f"{work.stage.module.removeprefix('training.')} {work.model}"
    return work.model or "no model"


def step(stage: Stage) -> str:
    """What is done, the same word for all families: `edit 2`."""
    given = stage.given
    name = stage.module.rpartition(".")[2]
    return f"{name} {given['--turn']}" if "--turn" in given and name != "replay" else name
