"""When a run will be done, held against recorded ones that are played by the executor's rules."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from pipeline import config
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.eta import Eta, Kind, Pace, clock, kind, took
from pipeline.local import Executor, Task, tasks
from pipeline.shards import RunFolder

#: Seconds of each step of the demo on two cores: with nothing else at work, and with so much that
#: all took two to four times as long, some more than others.
RECORDED: dict[str, dict[str, float]] = json.loads(
    (Path(__file__).parent.parent / "data" / "demo-seconds.json").read_text()
)
STEP = 0.5


@dataclass(frozen=True)
class Seen:
    """At `now` seconds: what is shown, what is really left, and the bar of the run."""

    now: float
    shown: float
    left: float
    bar: float


@cache
def played(name: str, pace: float = 1.0, workers: int = 2) -> list[Seen]:
    """A recorded run, its steps `pace` times as long, looked at twice a second."""
    seconds = {step: pace * one for step, one in RECORDED[name].items()}
    chosen = config.load("demo")
    stages = {stage.name: stage for stage in checked(chosen)}
    graph = tasks(tuple(stages.values()), chosen)
    kinds = {task: kind(stages[task.name], chosen, task.partition) for task in graph}
    eta, now = Eta(graph, kinds, workers), 0.0
    running: dict[Task, float] = {}
    done: set[Task] = set()
    seen: list[tuple[float, float, float]] = []
    while len(done) < len(graph):
        free = workers - sum(kinds[task].workers for task in running)
        for task in sorted(task for task in graph if graph[task] <= done):
            if task not in done and task not in running and kinds[task].workers <= free:
                running[task], free = now, free - kinds[task].workers
        shares = {task: min((now - begun) / seconds[str(task)], 1.0)
                  for task, begun in running.items()}  # fmt: skip
        seen.append((now, eta.shown(now, shares), eta.share(now)))
        now += STEP
        for task in [task for task, begun in running.items() if now - begun >= seconds[str(task)]]:
            del running[task]
            done.add(task)
            eta.learn(task, seconds[str(task)])
    return [Seen(when, shown, now - when, bar) for when, shown, bar in seen]


def at(seen: list[Seen], share: float) -> Seen:
    return seen[int(share * len(seen))]


@pytest.mark.parametrize(
    ("name", "share", "within"),
    [("quiet", 0.25, 1.3), ("quiet", 0.5, 1.3), ("quiet", 0.75, 1.3),
     ("busy", 0.25, 1.3), ("busy", 0.5, 1.5), ("busy", 0.75, 1.8)],
)  # fmt: skip
def test_the_estimate_of_a_recorded_run_is_near_the_truth(
    name: str, share: float, within: float
) -> None:
    """The busy run's last quarter is its evaluations, which compiled their kernels and took thirty
    times what they take where those are kept."""
    found = at(played(name), share)
    assert 1 / within < found.shown / found.left < within, found


@pytest.mark.parametrize("pace", [0.4, 3.0])
def test_another_machines_pace_is_learned(pace: float) -> None:
    """Guesses are for two cores; a quarter of the run on, what it took so far tells the rest."""
    seen = played("quiet", pace)
    for share, within in ((0.25, 1.6), (0.5, 1.25), (0.75, 1.25)):
        found = at(seen, share)
        assert 1 / within < found.shown / found.left < within, found


@pytest.mark.parametrize("name", RECORDED)
def test_it_never_jumps(name: str) -> None:
    seen = played(name)
    for before, after in itertools.pairwise(seen):
        beyond = after.shown - (before.shown - STEP)
        assert abs(beyond) < 0.06 * before.shown + STEP, (before, after)
        assert after.bar >= before.bar
    assert seen[-1].shown < 3 and seen[-1].bar > 0.97
    middle = at(seen, 0.5)
    assert 0.3 < middle.bar < 0.7, "the bar is of the work, not of the number of steps"


def test_two_thirds_of_the_steps_are_not_two_thirds_of_the_work() -> None:
    """The estimate that is not made: what is left, by the mean of all steps so far."""
    seen = played("quiet")
    found = next(one for one in seen if one.now > 40)
    assert found.bar < 0.4 and found.left > 100


def eta_of(kinds: dict[str, Kind], workers: int = 1) -> Eta[str]:
    return Eta({name: [] for name in kinds}, kinds, workers)


def test_what_is_like_it_tells_the_most() -> None:
    kinds = {
        "edit-1-a 0": Kind(("edit-1-a", "edit a", "edit"), 1.0),
        "edit-1-a 1": Kind(("edit-1-a", "edit a", "edit"), 1.0),
        "edit-2-a 0": Kind(("edit-2-a", "edit a", "edit"), 1.0),
        "edit-1-b 0": Kind(("edit-1-b", "edit b", "edit"), 1.0),
        "train": Kind(("train", "train ", "train"), 50.0),
    }
    eta = eta_of(kinds)
    assert eta.expected("train") == 50.0
    eta.learn("edit-1-a 0", 4.0)
    assert eta.expected("edit-1-a 1") == eta.expected("edit-2-a 0") == 4.0
    eta.learn("edit-1-b 0", 2.0)
    assert eta.expected("edit-1-a 1") == 4.0, "its own stage, not the mean of all edits"
    assert eta.expected("train") == 50.0 * 6.0 / 2.0, "a guess, at the pace of this machine"


def test_a_task_at_work_is_reckoned_by_its_own_progress() -> None:
    eta = eta_of({"train": Kind(("train",), 60.0)})
    assert eta.estimate(0.0, {"train": 0.0}) == 60.0
    assert eta.estimate(10.0, {"train": 0.0}) == 50.0, "no progress yet: by the guess"
    assert eta.estimate(100.0, {"train": 0.2}) == pytest.approx(400.0)
    assert eta.estimate(120.0, {"train": 0.2}) == pytest.approx(380.0), "down with the clock"
    assert eta.estimate(120.5, {"train": 0.01}) > 0, "a second loop of the same stage"


def test_one_that_is_well_on_its_way_tells_of_the_next() -> None:
    eta = eta_of({name: Kind((f"train-{name}", "train"), 60.0) for name in ("a", "b")})
    assert eta.estimate(0.0, {"a": 0.0}) == 120.0
    assert eta.estimate(100.0, {"a": 0.5}) == pytest.approx(100.0 + 200.0)
    eta.learn("a", 150.0)
    assert eta.expected("b") == 150.0, "what has ended tells more"


def test_a_task_that_takes_longer_than_any_guess_is_not_over() -> None:
    pace = Pace(begun=0.0)
    pace.see(0.0, 0.0)
    assert pace.left(90.0, 100.0) == 10.0
    assert pace.left(200.0, 100.0) == 20.0, "a tenth of what it took already"


def test_workers_and_order_count() -> None:
    kinds = {name: Kind((name,), 10.0) for name in "abcd"} | {"both": Kind(("both",), 10.0, 2)}
    assert eta_of(kinds, workers=2).estimate(0.0, {}) == 30.0
    assert eta_of(kinds, workers=5).estimate(0.0, {}) == 20.0
    after = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "both": ["d"]}
    assert Eta(after, kinds, 5).estimate(0.0, {}) == 50.0, "a chain gains nothing by workers"


def test_a_run_that_is_taken_up_again_knows_what_its_steps_took(
    standin: Config, run: RunFolder
) -> None:
    import jobs.ingest

    assert jobs.ingest.main([f"--run={run.path}", "--partition=0/2"]) == 0
    (first, *_) = range(standin.shards)
    seconds = run.manifest("ingest", first).attempt.seconds
    executor = Executor(checked(standin), standin, run)
    todo = {task for task in executor.graph if not executor.done(task)}
    eta = executor._eta(todo)
    assert eta.done == 1
    other = next(task for task in todo if task.name == "ingest")
    assert eta.expected(other) == seconds
    assert took(run, "ingest", range(0)) is None and took(run, "nowhere", range(1)) is None


def test_as_a_clock() -> None:
    assert [clock(one) for one in (0, 9.4, 105, 3599.7, 7390)] == [
        "0:00", "0:09", "1:45", "1:00:00", "2:03:10",
    ]  # fmt: skip
