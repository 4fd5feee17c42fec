"""Which pictures each protocol scores, on a val split small enough to list by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config, ProtocolName
from pipeline.protocols import PROTOCOLS
from training import conditions
from training.cache import Facts
from training.sets import BASES, Set, Val, sets

FAMILIES = {"sd2": 1, "sdxl": 3, "flux": 4, "hunyuan": 7}
#: Who painted each sample of val, one a turn.
PAINTED = {
    "00": ("flux",),
    "01": ("flux", "sdxl"),
    "02": ("hunyuan", "flux"),
    "03": ("sd2",),
    "04": ("sd2", "sdxl", "sd2"),
    "05": ("sdxl",),
}
NEGATIVES = ("10", "11", "12")


def config(**given: Any) -> Config:
    return Config.model_validate({
        "families": FAMILIES, "holdouts": [["flux", "hunyuan"]], "replays": {"sdxl_lora": "sdxl"},
        "detectors": {"net": {}}, **given,
    })  # fmt: skip


def facts(painted: dict[str, tuple[str, ...]], negatives: Iterable[str]) -> tuple[Facts, ...]:
    return (
        *(Facts(key=key, part="edited", source_id=key, base="real", families=by)
          for key, by in painted.items()),
        *(Facts(key=key, part="negative", source_id=key, base="real") for key in negatives),
    )  # fmt: skip


def val(subset: str = "all", task: str = "binary", **given: Any) -> Val:
    known: dict[str, Any] = {
        "config": config(), "facts": facts(PAINTED, NEGATIVES),
        "replayed": {"sdxl_lora": frozenset({"01", "05"})}, "bases": ("04", "07"), **given,
    }  # fmt: skip
    return Val(subset=subset, task=task, **known)


def by_name(protocol: ProtocolName, known: Val) -> dict[str, Set]:
    found = sets(protocol, known)
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


EDITED = tuple(PAINTED)


def test_table_2_scores_a_semantic_detector_as_a_binary_one_too() -> None:
    assert [one.name for one in sets("table2", val())] == ["clean"]
    found = by_name("table2", val(task="semantic"))
    assert list(found) == ["clean", "merged"]
    assert found["merged"].merged and not found["clean"].merged
    assert {one.keys for one in found.values()} == {EDITED}


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        ("table3", ["clean", "jpeg-60", "jpeg-80", "resize-256", "resize-1024", "jpeg-60-stored",
                    "jpeg-80-stored"]),
        ("severity", list(conditions.SEVERITY)),
    ],
)  # fmt: skip
def test_conditions_are_tried_on_every_edited_sample(protocol: str, names: list[str]) -> None:
    found = sets(cast("ProtocolName", protocol), val())
    assert [one.name for one in found] == [one.condition for one in found] == names
    assert {one.keys for one in found} == {EDITED}


def test_table_4_has_the_same_samples_stored_and_replayed_and_says_which_are_lost() -> None:
    found = by_name("table4", val(task="semantic"))
    assert {name: (one.keys, one.pictures) for name, one in found.items()} == {
        "sdxl-lora-stored": (("01", "05"), ""),
        "sdxl-lora-replayed": (("01", "05"), "sdxl_lora"),
        "sdxl-lora-stored-all": (("00", "01", "02", "03", "05"), ""),
        "sdxl-lora-replayed-all": (("00", "01", "02", "03", "05"), "sdxl_lora"),
    }
    for one in found.values():
        assert one.family == "sdxl"
        assert any("1 of 3 samples are left out" in note for note in one.notes)


def test_table_5_ignores_seen_families_in_a_counts_all_in_b_and_has_only_unseen_ones_in_c() -> None:
    found = by_name("table5", val("without-flux-hunyuan"))
    assert {name: (one.keys, one.ignored) for name, one in found.items()} == {
        "flux-hunyuan-a": (("00", "01", "02"), ("sd2", "sdxl")),
        "flux-hunyuan-b": (("00", "01", "02"), ()),
        "flux-hunyuan-c": (("00", "02"), ()),
    }


def test_the_base_of_tables_5_and_7_is_scored_on_every_groups_pictures() -> None:
    groups = [["flux", "hunyuan"], ["sd2"]]
    known = val(config=config(holdouts=groups))
    names = [f"{group}-{which}" for group in ("flux-hunyuan", "sd2") for which in "abc"]
    assert list(by_name("table5", known)) == ["clean", *names]
    assert list(by_name("table7", known)) == [
        "clean", *(name for name in names if not name.endswith("b"))
    ]  # fmt: skip
    alone = val("without-sd2", config=config(holdouts=groups))
    assert by_name("table5", known)["sd2-a"] == by_name("table5", alone)["sd2-a"]


def test_table_6_has_negatives_and_a_control_of_bases_that_nobody_edited() -> None:
    found = by_name("table6", val(task="image"))
    assert list(found) == ["clean", "ai-bases"]
    assert found["clean"].keys == (*EDITED, *NEGATIVES)
    assert (found["ai-bases"].keys, found["ai-bases"].pictures) == (("04", "07"), BASES)
    crops = by_name("table6", val(task="image", crops=True))
    assert list(crops) == ["clean", "no-crop", "ai-bases"]
    assert crops["no-crop"].keys == found["clean"].keys


def test_table_7_is_balanced_by_a_keyed_draw() -> None:
    found = by_name("table7", val("without-flux-hunyuan", "image"))
    assert found["flux-hunyuan-a"].keys == ("00", "01", "02", *NEGATIVES)
    only = found["flux-hunyuan-c"]
    assert only.keys[:2] == ("00", "02")
    assert len(set(only.keys[2:]) & set(NEGATIVES)) == 2
    few = val("without-flux-hunyuan", "image", facts=facts(PAINTED, ("10",)))
    cut = by_name("table7", few)["flux-hunyuan-a"]
    assert len(cut.keys) == 2 and cut.keys[1] == "10"
    assert any("no more photographs" in note for note in cut.notes)


def test_one_turn_several_and_all() -> None:
    found = by_name("turns", val("multi-turn"))
    assert {name: one.keys for name, one in found.items()} == {
        "single-turn": ("00", "03", "05"), "multi-turn": ("01", "02", "04"), "all": EDITED,
    }  # fmt: skip


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 99).map("{:08d}".format),
        st.lists(st.sampled_from(list(FAMILIES)), min_size=1, max_size=3).map(tuple),
        max_size=12,
    ),
    st.sets(st.integers(100, 120).map("{:08d}".format)),
    st.sampled_from(list(PROTOCOLS)),
    st.sampled_from(["all", "without-flux-hunyuan"]),
)
def test_any_val_split_gives_sets_of_its_own_pictures_each_once(
    painted: dict[str, tuple[str, ...]], negatives: set[str], protocol: ProtocolName, subset: str
) -> None:
    known = val(
        subset, facts=facts(dict(sorted(painted.items())), sorted(negatives)), bases=(),
        replayed={"sdxl_lora": frozenset(painted)},
    )  # fmt: skip
    for one in sets(protocol, known):
        assert len(set(one.keys)) == len(one.keys)
        assert set(one.keys) <= {*painted, *negatives}
        assert one == {other.name: other for other in sets(protocol, known)}[one.name]
        if one.name in ("flux-hunyuan-a", "flux-hunyuan-c") and protocol in (
            "table7",
            "classifiers",
        ):
            assert len(set(one.keys) & negatives) * 2 == len(one.keys)


def test_the_draw_of_negatives_depends_on_the_seed_alone() -> None:
    many = tuple(f"{i:08d}" for i in range(50, 90))
    known = val("without-flux-hunyuan", "image", facts=facts(PAINTED, many))
    first = by_name("table7", known)["flux-hunyuan-a"].keys
    shuffled = replace(known, facts=tuple(sorted(known.facts, key=lambda one: one.key)))
    assert by_name("table7", shuffled)["flux-hunyuan-a"].keys == first
    other = replace(known, config=config(seed=31))
    assert by_name("table7", other)["flux-hunyuan-a"].keys != first
