"""A process says when it last came a step further, and that it began once, however many it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from pipeline import meter, metrics
from pipeline.dag import dag
from pipeline.stage import Context
from training.counting import counting

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.shards import RunFolder


def value(metric: metrics.Metric, context: Context) -> float:
    labels = dict(zip(metrics.STAGE, context.labels, strict=True))
    return REGISTRY.get_sample_value(metric.name, labels) or 0.0


@pytest.fixture
def here(standin: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(meter, "_here", None)
    stage = dag(standin)[0]
    return Context(run, standin, stage, (0, 1), argparse.Namespace())


def test_a_loop_over_pictures_is_progress(here: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    with counting("resizing val", 3) as told:
        told(1)  # in a process that is no stage: nothing is said, nothing fails
        meter.begun(here)
        assert value(metrics.PROGRESS, here) == 100
        now[0] = 160.0
        assert value(metrics.PROGRESS, here) == 100
        told(1)
        assert value(metrics.PROGRESS, here) == 160


def test_the_processes_of_torchrun_are_one_start(
    here: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = value(metrics.STARTS, here)
    for rank in ("0", "1", "2", "3"):
        monkeypatch.setenv("RANK", rank)
        meter.begun(here)
    assert value(metrics.STARTS, here) == before + 1
    monkeypatch.delenv("RANK")
    meter.begun(here)
    assert value(metrics.STARTS, here) == before + 2
