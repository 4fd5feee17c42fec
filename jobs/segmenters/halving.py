"""Batches that shrink where the device has too little memory, instead of a run that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline.errors import TransientError

Result = TypeVar("Result")


def in_batches(run: Callable[[range], list[Result]], count: int, size: int) -> list[Result]:
    """The results of `run` for the rows 0 to `count`, at most `size` at a time.

    When the device is out of memory, the same rows are tried again in halves. What was learnt is
    forgotten at the end: the cuts of the next call must not depend on what happened before.
    """
    done: list[Result] = []
    while len(done) < count:
        rows = range(len(done), min(len(done) + size, count))
        try:
            done += run(rows)
            continue
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise TransientError(
                    "the device is out of memory with a single picture: choose fewer local.workers "
                    "or a device with more memory, then run the same command again"
                ) from error
        size = len(rows) // 2
        torch.cuda.empty_cache()  # outside the handler: there the error still holds its tensors
    return done
