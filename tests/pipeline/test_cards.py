"""Which models a config uses, and what of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import cards
from pipeline.config import Config, Detector
from pipeline.errors import ConfigError


def test_the_encoder_is_that_of_the_config_or_of_the_recipe() -> None:
    plain = cards.encoder("deeplabv3plus", Detector())
    assert plain.repos == ("timm/resnet50.tv_in1k",) and plain.files == cards.ENCODER
    chosen = cards.encoder("deeplabv3plus", Detector(encoder="resnet18"))
    assert chosen.folders(Path("/models")) == (Path("/models/resnet18.tv_in1k"),)
    assert cards.encoder("fcn8s", Detector(recipe="modern")).repos == ("timm/vgg16.tv_in1k",)
    assert cards.encoder("deeplabv3plus", Detector(pretrained=False)).repos == ()


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (Detector(encoder="resnet18d"), "'resnet18d' has no published weights: set "
         "detectors.deeplabv3plus.pretrained: false, or choose one of resnet50, "),
        (Detector(recipe="best"), "'best' is none of its recipes (modern, paper, small)"),
    ],
)  # fmt: skip
def test_an_encoder_without_weights_is_named_before_anything_runs(
    section: Detector, says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        cards.encoder("deeplabv3plus", section)
    assert says in str(raised.value)


@pytest.mark.parametrize("name", cards.known("detectors"))
def test_every_detectors_card_has_the_weights_of_its_papers_recipe(name: str) -> None:
    facts = cards.card("detectors", name)
    assert cards.encoder(name, Detector()).repos == facts.repos and len(facts.repos) == 1
    assert facts.image == "train" and facts.licence and facts.gpu_gib
    assert 0 < facts.pflop < 0.01 and "`pflop`" in facts.note


@pytest.mark.parametrize("role", ["vlms", "segmenters"])
def test_every_other_card_with_weights_says_what_it_computes(role: cards.Role) -> None:
    found = {name: cards.card(role, name) for name in cards.known(role)}
    assert any(facts.repos for facts in found.values())
    for facts in found.values():
        assert (facts.pflop > 0) == bool(facts.repos) == ("`pflop`" in facts.note)


def test_the_models_of_a_config_are_those_with_weights(standin: Config) -> None:
    assert list(cards.used(standin)) == []
    chosen = standin.model_copy(update={
        "families": {"heal": 1, "sdxl": 2}, "replays": {"sdxl_lora": "sdxl"}, "vlm": "qwen25vl",
        "detectors": {"cnnspot": Detector(tasks=("image",)), "fcn8s": Detector(pretrained=False)},
    })  # fmt: skip
    found = {(role, name): facts.repos for role, name, facts in cards.used(chosen)}
    assert list(found) == [("editors", "sdxl"), ("editors", "sdxl_lora"), ("vlms", "qwen25vl"),
                           ("detectors", "cnnspot")]  # fmt: skip
    assert found["editors", "sdxl_lora"] == cards.card("editors", "sdxl_lora").repos
