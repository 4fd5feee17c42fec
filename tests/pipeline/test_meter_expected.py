"""What a sample should take on this GPU, as a metric, where it can be known."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from pipeline import config, gpu, metrics, stage
from pipeline.config import Config

GAUGE = metrics.EXPECTED_SECONDS.name


def said(tmp_path: Path, chosen: Config, argv: list[str], name: str) -> float | None:
    """What the gauge has after the stage `name` has begun in a run of its own."""
    run = tmp_path / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text(chosen.to_yaml())
    found = stage.context("jobs." + name, [*argv, f"--run={run}"])
    labels = dict(zip(metrics.EXPECTED_SECONDS.labels, found.labels, strict=True))
    return REGISTRY.get_sample_value(GAUGE, labels)


@pytest.mark.parametrize(
    ("device", "seconds"),
    [("NVIDIA H100 80GB HBM3", 14.4), ("NVIDIA A100-SXM4-80GB", 45.7),
     ("NVIDIA Mystery 9000", None), ("", None)],
)  # fmt: skip
def test_the_card_and_the_data_sheet_say_what_an_edit_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, seconds: float | None
) -> None:
    monkeypatch.setattr(gpu, "name", lambda: device)
    part = {"NVIDIA H100 80GB HBM3": "0/2", "NVIDIA A100-SXM4-80GB": "1/2"}.get(device, "0/3")
    argv = ["--family", "flux", "--turn", "1", "--partition", part]
    found = said(tmp_path / (device or "none"), config.load("paper"), argv, "edit")
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.1))


def test_on_a_cpu_nothing_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin: Config
) -> None:
    monkeypatch.setattr(gpu, "name", lambda: "NVIDIA H100 80GB HBM3")
    argv = ["--family", "clone", "--turn", "1"]
    assert said(tmp_path, standin, argv, "edit") is None
