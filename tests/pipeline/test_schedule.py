"""The simulated cluster against orders found by hand, by brute force, and by its own rules."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from pipeline.schedule import Task, bound, chain, simulate, work

EPSILON = 1e-9


def drawn(seed: int, count: int, most: int) -> list[Task]:
    """A random DAG; a fifth of its tasks hold no GPU."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        parents = draw.sample(range(i), min(i, draw.choice([0, 1, 1, 2, 3])))
        gpus = draw.choice([0, 1, 1, 1, draw.randint(1, most)])
        made.append(Task(draw.choice([0.0, 1.0, draw.uniform(0.1, 20)]), gpus, tuple(parents), i))
    return made


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("pods", [0, 3])
def test_no_task_starts_before_its_parents_and_no_gpu_is_lent_twice(seed: int, pods: int) -> None:
    gpus = 1 + seed % 5
    made = drawn(seed, 60, gpus)
    table = simulate(made, gpus, pods)
    for i, task in enumerate(made):
        assert table.end[i] == pytest.approx(table.begin[i] + task.seconds)
        assert all(table.end[parent] <= table.begin[i] + EPSILON for parent in task.after)
    for now in table.begin:
        at_work = [task for i, task in enumerate(made)
                   if table.begin[i] <= now + EPSILON and now + EPSILON < table.end[i]]  # fmt: skip
        assert sum(task.gpus for task in at_work) <= gpus
        assert not pods or len(at_work) <= pods


@pytest.mark.parametrize("seed", range(60))
def test_it_takes_between_its_bound_and_twice_that(seed: int) -> None:
    """Graham (1966): a list schedule of tasks of one GPU each is below twice the best one."""
    gpus = 1 + seed % 7
    made = [Task(t.seconds, min(t.gpus, 1), t.after, t.what) for t in drawn(seed, 80, 1)]
    makespan = simulate(made, gpus).makespan
    least = bound(made, gpus)
    assert least <= makespan + EPSILON
    assert makespan <= work(made) / gpus + chain(made) + EPSILON <= 2 * least + EPSILON


@pytest.mark.parametrize("seed", range(25))
def test_on_independent_tasks_it_does_what_brute_force_finds_for_its_order(seed: int) -> None:
    """Tasks given out in their order, each to whichever GPU is free first."""
    draw = random.Random(seed)
    seconds = [float(draw.randint(1, 9)) for _ in range(7)]
    free = [0.0] * 3
    for one in seconds:
        first = free.index(min(free))
        free[first] += one
    table = simulate([Task(one, 1, ()) for one in seconds], 3)
    assert table.makespan == max(free)
    best = min(
        max(sum(s for s, on in zip(seconds, where, strict=True) if on == gpu) for gpu in range(3))
        for where in itertools.product(range(3), repeat=len(seconds))
    )
    assert bound([Task(one, 1, ()) for one in seconds], 3) <= best <= table.makespan <= 2 * best


def test_a_diamond_waits_for_its_longer_side() -> None:
    made = [Task(1, 1, ()), Task(2, 1, (0,)), Task(5, 1, (0,)), Task(1, 1, (1, 2))]
    assert simulate(made, 2).begin == [0, 1, 1, 6]
    assert (chain(made), work(made), bound(made, 1)) == (7, 9, 9)
    assert simulate(made, 1).makespan == 9


def test_whoever_came_first_is_served_first_and_ties_go_by_the_dag() -> None:
    made = [Task(3, 1, ()), Task(1, 0, ()), Task(4, 1, (1,)), Task(1, 1, ())]
    assert simulate(made, 1).begin == [0, 0, 4, 3]


def test_one_that_fits_nowhere_is_passed_over_until_it_fits() -> None:
    made = [Task(2, 1, ()), Task(3, 2, ()), Task(1, 1, ()), Task(1, 1, ())]
    assert simulate(made, 2).begin == [0, 2, 0, 1]
    assert simulate([Task(1, 8, ())], 2).makespan == 1, "no more than there are"


def test_tasks_without_a_gpu_take_none_and_pods_that_wait_count_as_pods() -> None:
    made = [Task(5, 1, ()), Task(5, 1, ()), Task(1, 0, ())]
    assert simulate(made, 1).begin == [0, 5, 0]
    assert simulate(made, 1, pods=2).begin == [0, 5, 5]


def test_an_empty_list_takes_no_time() -> None:
    assert simulate([], 4).makespan == chain([]) == 0


def test_thousands_of_tasks_take_seconds() -> None:
    made = drawn(1, 30_000, 4)
    began = time.process_time()
    assert simulate(made, 64).makespan >= bound(made, 64) - 1e-6
    assert time.process_time() - began < 5
