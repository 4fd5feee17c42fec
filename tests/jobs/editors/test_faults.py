"""A full device paints in smaller batches; a sick one says so; anything else is a bug."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jobs.editors import Painted
from jobs.editors.faults import STICKY, in_halves, loading
from pipeline.errors import SUSPECT, TRANSIENT, explain


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


@given(st.integers(0, 20), st.integers(1, 20))
def test_every_row_is_painted_once_and_in_order(count: int, room: int) -> None:
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
