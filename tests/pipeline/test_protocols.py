"""What the declarations turn into: which detectors are trained on what, and what scores them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import dag, protocols
from pipeline.config import Config, ProtocolName
from pipeline.errors import ConfigError
from pipeline.protocols import PROTOCOLS, Trial

NAMES: tuple[ProtocolName, ...] = get_args(ProtocolName)
FAMILIES = {"sd2": 1, "sd35": 2, "sdxl": 3, "flux": 4, "hunyuan": 7}


def config(**given: Any) -> Config:
    """Two detectors of pixels and one of pictures, and all that any protocol needs."""
    return Config.model_validate({
        "families": FAMILIES,
        "detectors": {"deeplabv3plus": {}, "fcn8s": {"tasks": ["binary"]},
                      "universalfakedet": {"tasks": ["image"]}},
        "holdouts": [["flux", "hunyuan"], ["sd2", "sd35"]], "replays": {"sdxl_lora": "sdxl"},
        "reals": {"unedited": 1, "negatives": 2}, **given,
    })  # fmt: skip


def test_every_name_of_the_config_is_declared_in_the_order_of_the_paper() -> None:
    assert tuple(PROTOCOLS) == NAMES


def test_what_the_papers_tables_train_and_score() -> None:
    found = protocols.evaluations(config(protocols={
        "table2": [], "table4": [], "table5": ["deeplabv3plus"], "table6": [], "turns": ["fcn8s"],
    }))  # fmt: skip
    deeplab = [Trial("deeplabv3plus", "binary"), Trial("deeplabv3plus", "semantic")]
    assert found == {
        "table2": (*deeplab, Trial("fcn8s", "binary")),
        "table4": (deeplab[1],),
        "table5": (
            deeplab[0],
            Trial("deeplabv3plus", "binary", "without-flux-hunyuan"),
            Trial("deeplabv3plus", "binary", "without-sd2-sd35"),
        ),
        "table6": (Trial("universalfakedet", "image"),),
        "turns": (
            Trial("fcn8s", "binary", "single-turn"),
            Trial("fcn8s", "binary", "multi-turn"),
        ),
    }


def test_what_several_protocols_ask_for_is_trained_once() -> None:
    asked = config(protocols=dict.fromkeys(("table2", "table3", "severity", "table5"), ()))
    trained = protocols.trials(asked)
    assert trained.count(Trial("deeplabv3plus", "binary")) == 1
    assert len(trained) == len(set(trained)) == 3 + 4


@settings(deadline=None, max_examples=40)
@given(st.sets(st.sampled_from(NAMES)))
def test_any_protocols_make_a_sound_dag_with_one_stage_for_each_trial(
    chosen: set[ProtocolName],
) -> None:
    asked = config(protocols={name: () for name in chosen})
    stages = dag.checked(asked)
    found = protocols.evaluations(asked)
    assert list(found) == [name for name in NAMES if name in chosen]
    assert [s.name for s in stages if s.module == "training.train"] == [
        f"train-{trial.name}" for trial in protocols.trials(asked)
    ]
    by_name = {stage.name: stage for stage in stages}
    for name, trials in found.items():
        for trial in trials:
            stage = by_name[f"evaluate-{name}-{trial.name}"]
            assert stage.args == ("--protocol", name, *trial.args)
            assert f"train-{trial.name}" in stage.reads
            assert ("reals" in stage.reads) == PROTOCOLS[name].reals
            assert stage.name in by_name["report"].reads


@pytest.mark.parametrize(
    ("name", "without", "says"),
    [
        ("table4", {"replays": {}}, "protocols.table4 needs replays"),
        ("table5", {"holdouts": []}, "protocols.table5 needs holdouts"),
        ("table6", {"reals": {"unedited": 5}}, "protocols.table6 needs reals.negatives"),
        ("table7", {"holdouts": []}, "protocols.table7 needs holdouts"),
        ("classifiers", {"reals": {}}, "protocols.classifiers needs reals.negatives"),
    ],
)
def test_a_protocol_that_lacks_what_it_needs_is_refused(
    name: str, without: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        protocols.evaluations(config(protocols={name: []}, **without))


def test_segmentation_is_a_classifier_without_holdouts_too() -> None:
    found = protocols.trials(config(protocols={"classifiers": ["fcn8s"]}, holdouts=[]))
    assert found == (Trial("fcn8s", "binary"),)


def test_a_detector_that_is_not_trained_for_the_task_is_refused_where_it_is_named() -> None:
    with pytest.raises(ConfigError, match=r"protocols\.table4: fcn8s is not trained for semantic"):
        protocols.evaluations(config(protocols={"table4": ["fcn8s"]}))
    assert [t.detector for t in protocols.trials(config(protocols={"table4": []}))] == [
        "deeplabv3plus"
    ]


def test_names_of_subsets_lead_back_to_their_families() -> None:
    asked = config(families={**FAMILIES, "my_model": 9}, holdouts=[["my_model", "sd2"]])
    (group,) = asked.holdouts
    assert protocols.without(group) == "without-my-model-sd2"
    assert protocols.held_out(asked, "without-my-model-sd2") == group
    for other in (protocols.ALL, protocols.SINGLE, "without-sd2"):
        assert protocols.held_out(asked, other) == ()


def test_a_trial_is_told_apart_by_its_stages_names_and_arguments() -> None:
    base, other = Trial("my_net", "binary"), Trial("my_net", "binary", "multi-turn")
    assert (base.name, other.name) == ("my-net-binary", "my-net-binary-multi-turn")
    assert base.args == ("--detector", "my_net", "--task", "binary")
    assert other.args == (*base.args, "--subset", "multi-turn")
