"""A pretrained encoder is fetched before training, which has no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import OK, PERMANENT, TRANSIENT, guard
from training import detectors, fetch


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "families: {heal: 1}\n"
        "detectors: {deeplabv3plus: {encoder: resnet18}, other: {pretrained: false}}\n"
    )
    return path


def run(mounted: Path, detector: str = "deeplabv3plus") -> int:
    return guard(fetch.main, ["--detector", detector, "--config", str(mounted)])


def test_the_encoder_is_built_once_with_its_weights(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def build(name: str, classes: int, encoder: str, pretrained: bool) -> None:
        asked.append((name, classes, encoder, pretrained))

    monkeypatch.setattr(detectors, "build", build)
    assert run(mounted) == OK and run(mounted, "other") == OK
    assert asked == [("deeplabv3plus", 2, "resnet18", True)]


def test_no_network_is_tried_again_and_an_unknown_detector_is_not(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(name: str, classes: int, encoder: str, pretrained: bool) -> None:
        raise FileNotFoundError("Got: ConnectError")

    monkeypatch.setattr(detectors, "build", build)
    assert run(mounted) == TRANSIENT
    assert "the weights of resnet18 could not be fetched (Got: ConnectError)" in (
        capsys.readouterr().err
    )
    assert run(mounted, "unet") == PERMANENT
    assert "the config has no such detector" in capsys.readouterr().err
