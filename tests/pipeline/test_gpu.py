"""The GPU's gauges, with a stand-in for the management library; no machine of ours has one."""

import time

import pytest
from prometheus_client import REGISTRY

from pipeline import gpu

WHO = ("run", "edit-1-sdxl", "sdxl", "0/1")
LABELS = dict(zip(("run", "stage", "family", "partition"), WHO, strict=True)) | {"gpu": "0"}


def value(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"palimpsest_gpu_{name}", LABELS)


def test_it_is_read_again_until_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = [gpu.Reading(1, 8, 0.5), gpu.Reading(3, 8, 0.25), None]
    monkeypatch.setattr(gpu, "EVERY", 0.01)
    gpu.watch(WHO, lambda: readings.pop(0))
    deadline = time.monotonic() + 10
    while readings and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not readings
    assert (value("memory_used_bytes"), value("memory_size_bytes")) == (3, 8)
    assert value("utilization_ratio") == 0.25


def test_without_a_gpu_there_is_nothing() -> None:
    gpu.watch(("run", "none", "", "0/1"), lambda: None)
    here = {"run": "run", "stage": "none", "family": "", "partition": "0/1", "gpu": "0"}
    assert REGISTRY.get_sample_value("palimpsest_gpu_memory_used_bytes", here) is None
