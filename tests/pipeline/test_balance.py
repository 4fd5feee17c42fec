"""What the report says of the quotas is counted from the plan and from the dataset, exactly."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config
from pipeline.balance import Tally, area_bin, targets
from pipeline.config import Config
from pipeline.documents import Edit, Plan, Region, Sample, Score, Share, Source, Turn
from pipeline.errors import ConfigError

BASE = config.load(str(Path(__file__).parents[1] / "data" / "standin.yaml"))
REAL = Source(source_id="s", split="train", base="real")
AI = Source(source_id="s", split="train", base="ai", family="heal")
REGIONS = (
    Region(name="cup", category="food", area=0.01, box=(0, 0, 1, 1), origin="annotation"),
    Region(name="kite", category="toys", area=0.3, box=(0, 0, 1, 1), origin="segmenter"),
)
PLAN = Plan(turns=(Turn(region=0, family="clone", edit="removal"),
                   Turn(region=1, family="heal", edit="addition")))  # fmt: skip


def sample(*edits: tuple[int, int]) -> Sample:
    """Painted were (turn, region)."""
    made = tuple(
        Edit(turn=turn, region=region, family="clone", label=1, edit="removal", prompts=(),
             seeds=(), steps=1, guidance=1, composite="paste", changed=1, area=0.1, model="")
        for turn, region in edits
    )  # fmt: skip
    return Sample(source=REAL, regions=REGIONS, planned=2, edits=made, score=Score(score=5))


def rows(tally: Tally, quota: str) -> dict[str, Share]:
    return {row.kind: row for row in tally.shares() if row.quota == quota}


def test_plan_and_dataset_are_counted_by_every_quota() -> None:
    tally = Tally(BASE)
    tally.plan(REAL, REGIONS, PLAN)
    tally.plan(AI, REGIONS, Plan(turns=PLAN.turns[:1]))
    tally.keep(sample((2, 1)))
    turns = rows(tally, "turns")
    assert [turns[n].planned for n in "123"] == [1, 1, 0]
    assert [turns[n].kept for n in "123"] == [1, 0, 0], "its first turn failed"
    assert [turns[n].deficit for n in "123"] == pytest.approx([-0.8, -0.2, 1.0])
    assert {k: (r.planned, r.kept) for k, r in rows(tally, "family, turn 1").items()} == {
        "clone": (2, 0), "heal": (0, 0)}  # fmt: skip
    assert rows(tally, "family, turn 2")["clone"].kept == 1
    assert rows(tally, "edit type")["removal"].planned == 2
    assert rows(tally, "base")["ai"].planned == 1 and rows(tally, "base")["ai"].target == 0.25
    areas = rows(tally, "area")
    assert list(areas) == ["0 to 0.03", "0.03 to 0.08", "0.08 to 0.2", "0.2 to 1"]
    assert [row.planned for row in areas.values()] == [2, 0, 0, 1]


def test_a_kind_that_has_no_target_is_shown() -> None:
    tally = Tally(BASE)
    tally.plan(REAL, REGIONS, PLAN)
    toys = rows(tally, "category")["toys"]
    assert (toys.target, toys.planned, toys.deficit) == (0, 1, -1)


def test_an_empty_run_has_a_row_for_each_target() -> None:
    found = Tally(BASE).shares()
    assert len(found) == sum(len(weights) for weights in targets(BASE).values())
    assert {(row.planned, row.deficit, row.kept) for row in found} == {(0, 0, 0)}


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2)), max_size=20))
def test_targets_are_shares_and_deficits_of_a_quota_cancel(made: list[tuple[bool, int]]) -> None:
    tally = Tally(BASE)
    for ai, count in made:
        tally.plan(AI if ai else REAL, REGIONS, Plan(turns=PLAN.turns[:count]))
    for quota in targets(BASE):
        found = rows(tally, quota).values()
        assert sum(row.target for row in found) == pytest.approx(1)
        assert sum(row.deficit for row in found) == pytest.approx(0, abs=1e-4)


def test_every_share_of_the_picture_has_its_bin() -> None:
    assert [area_bin(BASE, a) for a in (0.0, 0.0299, 0.03, 0.08, 0.2, 1.0)] == [0, 0, 1, 2, 3, 3]


def quotas(**changes: object) -> Config:
    return config.parse(yaml.safe_dump(BASE.model_dump(mode="json") | {"quotas": changes}), "x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"area_bounds": [0.2, 0.1]}, "area_bounds: must rise"),
        ({"area_bounds": [0.5, 1.0]}, "area_bounds: must rise"),
        ({"area_bounds": [0.5]}, "area_weights: 4 are given, but 1 area_bounds make 2 bins"),
        ({"categories": {}}, "categories: needs weights"),
        ({"categories": {"food": -1}}, "categories: needs weights"),
        ({"area_weights": [0, 0, 0, 0]}, "area_weights: needs weights"),
    ],
)
def test_quotas_that_cannot_be_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        quotas(**changes)


def test_a_single_bin_takes_every_area() -> None:
    one = quotas(area_bounds=[], area_weights=[1])
    assert area_bin(one, 0.7) == 0 and list(targets(one)["area"]) == ["0 to 1"]
