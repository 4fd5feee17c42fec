"""When a device is full, batches shrink; the results and their order do not change."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jobs.segmenters.halving import in_batches
from pipeline.errors import TRANSIENT, TransientError, explain


class Device:
    """Takes `room` rows at a time."""

    def __init__(self, room: int) -> None:
        self.room, self.cuts = room, list[int]()

    def run(self, rows: range) -> list[int]:
        if len(rows) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.cuts.append(len(rows))
        return [row * row for row in rows]


@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 16))
def test_every_row_is_done_once_and_in_order(count: int, size: int, room: int) -> None:
    device = Device(room)
    assert in_batches(device.run, count, size) == [row * row for row in range(count)]
    assert max(device.cuts, default=0) <= min(size, room)


def test_the_cuts_do_not_depend_on_what_happened_before() -> None:
    device = Device(3)
    in_batches(device.run, 10, 8)
    first = device.cuts
    assert first == [2, 2, 2, 2, 2]
    device.cuts = []
    in_batches(device.run, 10, 8)
    assert device.cuts == first


def test_a_device_too_small_for_one_is_said_and_may_be_tried_again() -> None:
    with pytest.raises(TransientError) as raised:
        in_batches(Device(0).run, 3, 2)
    code, said = explain(raised.value)
    assert code == TRANSIENT and said.startswith("the device is out of memory with a single")


def test_another_error_is_not_hidden() -> None:
    def broken(rows: range) -> list[int]:
        raise RuntimeError("size 9 must match 4")

    with pytest.raises(RuntimeError, match="size 9"):
        in_batches(broken, 3, 2)
