"""What a sick or a full GPU does to a batch of any model. Imports no torch: not all need it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from jobs.editors import Painted
from pipeline import fallback
from pipeline.errors import SuspectNodeError, TransientError

Result = TypeVar("Result")
#: Words of CUDA's messages after which nothing works in this process any more, and for which the
#: machine is to blame. Not "device-side assert": that is a wrong index, on every machine.
STICKY = (
    "illegal memory access", "unspecified launch failure", "misaligned address",
    "illegal instruction", "hardware stack error", "uncorrectable", "launch timed out",
    "busy or unavailable", "unknown error", "initialization error", "STATUS_EXECUTION_FAILED",
    "STATUS_INTERNAL_ERROR", "STATUS_NOT_INITIALIZED",
)  # fmt: skip
#: Words of a full device from libraries that do not raise torch.OutOfMemoryError.
FULL = ("CUDA error: out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")


def in_batches(run: Callable[[range], list[Result]], count: int, size: int) -> list[Result]:
    """The results of `run` for the rows 0 to `count`, at most `size` at a time.

    Where the device is out of memory, what it still holds is let go and the same rows are tried
    again: a passing peak must not change the cuts, on which last bits depend. Then they are halved.
    What was learnt is forgotten at the end: the cuts of the next call must not depend on what
    happened before. Raises TransientError for a device too small for one row.
    """
    done: list[Result] = []
    again = False
    while len(done) < count:
        rows = range(len(done), min(len(done) + size, count))
        try:
            with watched():
                done += run(rows)
            again = False
            continue
        except RuntimeError as error:
            if not _is_full(error):
                raise
            if again and len(rows) == 1:
                raise _too_small("with a single picture") from error
        _let_go()  # outside the handler: there the error still holds its tensors
        if again:
            size = len(rows) // 2
            fallback.cut()
        again = not again
    return done


def in_halves(run: Callable[[range], list[Painted]], count: int) -> list[Painted]:
    """`run` for the rows 0 to `count`, at once if the device has the memory for it.

    Each sample has a seed of its own, so a smaller batch paints the same picture up to rounding;
    the note `batch-of-N` says that it was painted so.
    """

    def noted(rows: range) -> list[Painted]:
        note = (f"batch-of-{len(rows)}",) if len(rows) < count else ()
        return [replace(one, notes=one.notes + note) for one in run(rows)]

    return in_batches(noted, count, count)


@contextmanager
def watched() -> Iterator[None]:
    """Turns what only a sick GPU says into a `SuspectNodeError`, so that another node tries."""
    try:
        yield
    except RuntimeError as error:
        said = str(error)
        if found := [words for words in STICKY if words in said]:
            raise SuspectNodeError(
                f"the GPU fails ({found[0]}): look for Xid lines in the node's kernel log, and run "
                "the same command again on another node"
            ) from error
        raise


@contextmanager
def loading() -> Iterator[None]:
    """As `watched`, and a device that is full before anything is painted may be tried again."""
    with watched():
        try:
            yield
        except RuntimeError as error:
            if _is_full(error):
                raise _too_small("while the weights are loaded") from error
            raise


def _too_small(when: str) -> TransientError:
    return TransientError(
        f"the device is out of memory {when}: choose fewer local.workers or a device with more "
        "memory, then run the same command again"
    )


def _is_full(error: RuntimeError) -> bool:
    torch = sys.modules.get("torch")
    known = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return known or any(words in str(error) for words in FULL)


def _let_go() -> None:
    """Give back what the allocator still holds of the batch that did not fit."""
    gc.collect()
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()
