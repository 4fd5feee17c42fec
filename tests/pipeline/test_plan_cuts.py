"""Into how many partitions the paper's run is cut, and what that comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import dag, devices, estimate, local, plan, plan_cuts
from pipeline.config import Config
from pipeline.estimate import Work
from pipeline.plan import Plan
from pipeline.plan_cuts import Cut, Limits
from pipeline.plan_tasks import direct, tasks
from pipeline.stage import Stage

H100 = devices.find("H100")


@pytest.fixture(scope="module")
def painting(works: list[Work], stages: tuple[Stage, ...]) -> list[Work]:
    return [work for work in works if work.stage.name in plan.painting(stages)]


@pytest.mark.parametrize("gpus", [8, 64])
def test_painting_comes_within_a_twentieth_of_its_bound(
    painting: list[Work], paper: Config, gpus: int
) -> None:
    cut = plan_cuts.best(painting, paper, gpus)
    assert cut.makespan <= 1.05 * cut.bound
    ideal = sum(w.count * w.seconds * w.gpus for w in painting) / gpus
    assert cut.makespan <= 1.2 * ideal, "the weights are not read so often that it hurts"


def test_it_is_more_than_twice_and_a_half_as_fast_as_one_pod_a_family(eight: Plan) -> None:
    assert eight.paint is not None
    mine, free, naive = eight.paint
    assert naive.makespan / free.makespan >= 2.5 and naive.makespan / mine.makespan >= 2.5
    flux = sum(w.count * w.seconds for w in eight.works if w.model == "flux")
    assert naive.makespan > flux * 0.95, "bound by the slowest family"


def test_what_can_be_submitted_fits_argos_limit_and_loses_on_many_gpus(
    paper: Config, works: list[Work], eight: Plan
) -> None:
    assert eight.limits == Limits(run=6, paint=7)
    assert eight.best.span <= 7
    many = plan.made(paper, 30_000, 64, H100)
    assert many.paint is not None
    mine, free, _ = many.paint
    assert mine.makespan > 3 * free.makespan and free.parts > 7 >= mine.span


def test_without_replays_more_partitions_fit(paper: Config) -> None:
    """As docs/planning.md advises for many GPUs."""
    first = {name: who for name, who in paper.protocols.items() if name != "table4"}
    bare = paper.model_copy(update={"replays": {}, "protocols": first})
    limit = plan_cuts.limits(bare, dag.checked(bare))
    assert limit.paint == 10
    painted = [
        plan_cuts.submitted(
            estimate.works([s for s in dag.dag(bare) if s.name in plan.painting(dag.dag(bare))],
                           bare, H100), bare, 64, limit, parts).makespan
        for parts in (10, 7)
    ]  # fmt: skip
    assert painted[0] < 0.8 * painted[1]


def test_ranges_follow_one_another_and_the_rest_follows_them(
    works: list[Work], paper: Config
) -> None:
    cut = plan_cuts.submitted(works, paper, 8, Limits(6, 7), 20)
    assert [len(table.tasks) for table in cut.tables][:3] == [
        7 * sum(w.stage.scope == "shard" for w in works)
    ] * 2 + [6 * sum(w.stage.scope == "shard" for w in works)]
    assert len(cut.tables) == 4 and cut.makespan >= cut.bound
    placed = list(cut.placed())
    assert len(placed) == 20 * sum(w.stage.scope == "shard" for w in works) + sum(
        w.stage.scope == "run" for w in works
    )
    ends = max(end for what, _, end, _ in placed if works[what].stage.scope == "shard")
    assert min(begin for what, begin, _, _ in placed if works[what].stage.scope == "run") >= ends
    whole = sum(w.count * w.seconds * w.gpus for w in works)
    assert cut.work == pytest.approx(
        whole + sum(w.load * w.gpus * (20 if w.stage.scope == "shard" else 1) for w in works)
    )


def test_no_workflow_is_planned_beyond_its_deadline(works: list[Work], paper: Config) -> None:
    long = [replace(w, seconds=w.seconds * 60) for w in works]
    cut = plan_cuts.submittable(long, paper, 8, Limits(6, 7))
    assert 0 < cut.longest <= plan_cuts.DEADLINE < cut.makespan and len(cut.tables) > 2


def test_tasks_are_those_of_the_local_executor(paper: Config) -> None:
    """The same stages and partitions; every edge there is one here, if by way of others."""
    cut = paper.model_copy(update={
        "local": paper.local.model_copy(update={"partitions": 3}), "samples": 3000})  # fmt: skip
    found = dag.checked(cut)
    works = estimate.works(found, cut, H100)
    made = tasks(works, cut, 3)
    graph = local.tasks(found, cut)
    assert len(made) == len(graph)
    above: list[set[int]] = []
    for task in made:
        above.append(set(task.after).union(*(above[i] for i in task.after)))
    count = {(work.stage.name, k): None for work in works for k in range(3)}
    assert len(count) >= len(made)
    at: dict[tuple[str, int], int] = {}
    for i, task in enumerate(made):
        name = works[task.what].stage.name
        at[name, sum(1 for known, _ in at if known == name)] = i
    for task_, parents in graph.items():
        mine = above[at[task_.name, task_.partition[0]]]
        assert {at[one.name, one.partition[0]] for one in parents} <= mine
    assert direct(works)["prompt-2"] == tuple(f"edit-1-{name}" for name in cut.families)


def test_a_cut_of_nothing_is_at_its_bound() -> None:
    assert Cut(1, 1, (), 0.0).ratio == 1.0
