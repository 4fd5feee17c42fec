"""A full device paints in smaller batches; a sick one says so; anything else is a bug."""

import importlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import jobs.edit
import jobs.score
import jobs.segment
from jobs.editors import Painted
from jobs.faults import STICKY, in_batches, in_halves, loading
from pipeline.config import Config
from pipeline.errors import SUSPECT, TRANSIENT, TransientError, explain


def painted(row: int) -> np.ndarray:
    return np.full((2, 2, 3), row, np.uint8)


def device(room: int, error: Callable[[], RuntimeError]) -> Callable[[range], list[Painted]]:
    """Takes `room` rows at a time."""

    def run(rows: range) -> list[Painted]:
        if len(rows) > room:
            raise error()
        return [Painted(painted(row)) for row in rows]

    return run


def full() -> RuntimeError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Device:
    """Takes `room` rows at a time, once it has refused the first `peaks` calls."""

    def __init__(self, room: int, peaks: int = 0) -> None:
        self.room, self.peaks, self.asked = room, peaks, list[int]()

    def run(self, rows: range) -> list[int]:
        self.asked.append(len(rows))
        if len(rows) > self.room or len(self.asked) <= self.peaks:
            raise full()
        return [row * row for row in rows]


@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 16))
def test_every_row_is_done_once_and_in_order(count: int, size: int, room: int) -> None:
    device = Device(room)
    with patch("jobs.faults.gc.collect"):  # slow in a process that has seen many tests
        found = in_batches(device.run, count, size)
    assert found == [row * row for row in range(count)]
    assert max((n for n in device.asked if n <= room), default=0) <= size


def test_a_passing_peak_does_not_change_the_cuts() -> None:
    device = Device(4, peaks=1)
    in_batches(device.run, 10, 4)
    assert device.asked == [4, 4, 4, 2]
    device = Device(4, peaks=2)
    in_batches(device.run, 10, 4)
    assert device.asked == [4, 4, 2, 2, 2, 2, 2], "one that does not pass does"


def test_what_the_device_holds_is_let_go_before_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    device = Device(2, peaks=1)

    def run(rows: range) -> list[int]:
        said.append(f"asked for {len(rows)}")
        return device.run(rows)

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: said.append("let go"))
    in_batches(run, 2, 2)
    assert said == ["asked for 2", "let go", "asked for 2"]


def test_the_cuts_do_not_depend_on_what_happened_before() -> None:
    device = Device(3)
    in_batches(device.run, 10, 8)
    first = device.asked
    assert first == [8, 8, 4, 4, 2, 2, 2, 2, 2]
    device.asked = []
    in_batches(device.run, 10, 8)
    assert device.asked == first


@given(st.integers(0, 20), st.integers(1, 20))
def test_every_row_is_painted_once_and_in_order(count: int, room: int) -> None:
    with patch("jobs.faults.gc.collect"):
        found = in_halves(device(room, full), count)
    assert [int(one.pixels[0, 0, 0]) for one in found if one.pixels is not None] == [*range(count)]
    for one in found:
        assert bool(one.notes) is (count > room)


def test_a_smaller_batch_is_noted_and_forgotten() -> None:
    run = device(2, full)
    assert [one.notes for one in in_halves(run, 5)] == [("batch-of-2",)] * 4 + [("batch-of-1",)]
    assert [one.notes for one in in_halves(run, 2)] == [(), ()]


@pytest.mark.parametrize(
    "said",
    ["CUDA error: out of memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
     "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"],
)  # fmt: skip
def test_a_full_device_is_known_by_its_words_too(said: str) -> None:
    assert len(in_halves(device(1, lambda: RuntimeError(said)), 3)) == 3


def test_a_peak_that_passed_is_not_noted() -> None:
    refused = iter([True])

    def run(rows: range) -> list[Painted]:
        if next(refused, False):
            raise full()
        return [Painted(painted(row)) for row in rows]

    assert [one.notes for one in in_halves(run, 3)] == [()] * 3


def test_too_little_memory_for_one_may_be_tried_again() -> None:
    with pytest.raises(Exception, match="single picture") as raised:
        in_halves(device(0, full), 3)
    assert explain(raised.value)[0] == TRANSIENT


@pytest.mark.parametrize("words", STICKY)
@pytest.mark.parametrize("kind", [RuntimeError, torch.AcceleratorError])
def test_a_sick_device_is_suspected(words: str, kind: type[RuntimeError]) -> None:
    def sick() -> RuntimeError:
        return kind(f"CUDA error: an {words} was encountered")

    with pytest.raises(Exception, match="GPU") as raised:
        in_halves(device(0, sick), 3)
    code, sentence = explain(raised.value)
    assert code == SUSPECT and words in sentence and "\n" not in sentence


@pytest.mark.parametrize("said", ["CUDA error: device-side assert triggered", "size 9 must match"])
def test_a_bug_stays_a_bug(said: str) -> None:
    def wrong() -> RuntimeError:
        return RuntimeError(said)

    with pytest.raises(RuntimeError, match=said):
        in_halves(device(0, wrong), 3)


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [(RuntimeError("CUDA error: all devices are busy or unavailable"), "busy", SUSPECT),
     (full(), "while the weights are loaded", TRANSIENT)],
    ids=["sick", "full"],
)  # fmt: skip
def test_a_device_may_fail_while_the_weights_are_loaded(
    error: RuntimeError, words: str, code: int
) -> None:
    with pytest.raises(Exception, match=words) as raised, loading():
        raise error
    assert explain(raised.value)[0] == code


def test_a_bug_while_the_weights_are_loaded_stays_one() -> None:
    with pytest.raises(RuntimeError, match="size 9"), loading():
        raise RuntimeError("size 9 must match 4")


@pytest.mark.parametrize("role", ["vlms.rules", "segmenters.classical", "editors.clone"])
def test_every_stage_tells_a_device_that_is_full_while_its_model_is_loaded(
    role: str, standin: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise full()

    monkeypatch.setattr(importlib.import_module(f"jobs.{role}"), "load", refuse)
    job: Any = {
        "vlms.rules": jobs.score.job(standin), "segmenters.classical": jobs.segment.job(standin),
        "editors.clone": jobs.edit.job(standin, "clone", 1),
    }[role]  # fmt: skip
    with pytest.raises(TransientError, match="while the weights are loaded"):
        job.load()
