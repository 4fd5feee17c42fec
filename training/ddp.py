"""Who this process is among those that torchrun started, and what they do together."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import numpy as np

from pipeline.errors import AGAIN, ConfigError, TransientError
from pipeline.parent import die_with_parent

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch.distributed import ProcessGroup

#: How long processes wait to find each other: one of them may read a large cache to its end before.
JOIN = timedelta(minutes=10)
#: How long one waits in a step for another. All take a step in about the same time, however long
#: that is, so this is how soon a process that hangs is noticed.
TIMEOUT = timedelta(seconds=45)
#: How long one that lost the others waits to be ended, so that the last words are those of the one
#: that failed.
MOURN = 10.0


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; one that torchrun did not start is 0 of 1."""

    rank: int
    size: int
    device: torch.device
    group: ProcessGroup | None = None

    def agree(self, text: str) -> str:
        """What rank 0 says, on every rank."""
        import torch.distributed as dist

        said = [text]
        if self.size > 1:
            dist.broadcast_object_list(said, src=0, group=self.group, device=self.device)
        return said[0]

    def meet(self) -> None:
        """Wait for all others as long as in joining: one of them may be writing a large file."""
        import torch
        import torch.distributed as dist

        if self.size > 1:
            dist.all_reduce(torch.zeros(1, device=self.device))

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean of a scalar over all ranks, the same number on each; a GPU is not waited for."""
        import torch.distributed as dist

        found = value.detach().clone()
        if self.size > 1:
            dist.all_reduce(found, group=self.group)
        return found / self.size

    def total(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sum of an array over all ranks, the same on each."""
        import torch
        import torch.distributed as dist

        if self.size == 1:
            return counts
        found = torch.from_numpy(counts).to(self.device)
        dist.all_reduce(found, group=self.group)
        return cast("NDArray[np.int64]", found.cpu().numpy())

    def alike(self, tensors: Iterable[torch.Tensor]) -> None:
        """Make `tensors` those of rank 0, in place."""
        import torch.distributed as dist

        for one in tensors if self.size > 1 else ():
            dist.broadcast(one, src=0, group=self.group)

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Average gradients over ranks. Batch normalisation sees all pictures of a step on GPUs; on
        CPUs, where torch cannot, each process normalises by its own part and rank 0's running
        statistics count (DDP hands them to the others before each forward pass). GPUs are fastest
        with channels last."""
        import torch
        from torch.nn import SyncBatchNorm
        from torch.nn.parallel import DistributedDataParallel

        cuda = self.device.type == "cuda"
        model = model.to(self.device)
        if cuda:
            model = model.to(memory_format=torch.channels_last)
        if self.size == 1:
            return model
        if cuda:
            model = SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        where = [self.device.index] if cuda else None
        return DistributedDataParallel(model, device_ids=where, process_group=self.group)


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the group: gloo on CPUs, nccl on GPUs. A TransientError says that a process was lost, or
    did not answer for `TIMEOUT`."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        die_with_parent()  # an agent that is killed outright cannot stop its workers
    import torch

    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ConfigError(f"device: {device}, but there is no GPU here: set device: cpu")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(where)
    else:
        where = torch.device(device)
        if size > 1:
            torch.set_num_threads(1)
    # Some CUDA kernels (the loss over pixels) have no deterministic form. Not by
    # `use_deterministic_algorithms`, which imports the compiler: three seconds in every process.
    torch.set_deterministic_debug_mode("warn" if where.type == "cuda" else "error")
    if where.type == "cuda":  # known (above), and nobody who reads the log could change it
        warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation")
    if size == 1:
        yield World(rank, size, where)
        return
    try:
        with _group(where) as group:
            yield World(rank, size, where, group)
    except RuntimeError as error:
        if not (said := _lost(str(error))):
            raise
        raise TransientError(said) from error


@contextmanager
def _group(where: torch.device) -> Iterator[ProcessGroup | None]:
    """A group whose members have met, and from then on wait for each other no longer than
    `TIMEOUT`."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=JOIN)
    try:
        dist.all_reduce(torch.zeros(1, device=where))  # as `World.meet`
        yield cast("ProcessGroup", dist.new_group(timeout=TIMEOUT))
    finally:
        dist.destroy_process_group()


def _lost(text: str) -> str:
    """A sentence for torch's error over processes that wait for each other, "" for another error.
    Their words, since gloo has no exception of its own."""
    if "Timed out" in text or "timeout" in text.lower():
        return (f"a process of this training did not answer for {TIMEOUT.total_seconds():.0f} s: "
                f"{AGAIN}")  # fmt: skip
    words = ("gloo", "Connection closed", "Connection reset", "Broken pipe", "NCCL", "TCPStore")
    if not any(word in text for word in words):
        return ""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        time.sleep(MOURN)
    return f"another process of this training was lost: {AGAIN}"


def name(device: torch.device) -> str:
    """What computes, for the record."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
