"""Who this process is among those that torchrun started, and what they do together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.child import die_with_parent
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import torch

TIMEOUT = timedelta(seconds=120)


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes; one that torchrun did not start is 0 of 1."""

    rank: int
    size: int
    device: torch.device

    def agree(self, text: str) -> str:
        """What rank 0 says, on every rank."""
        import torch.distributed as dist

        said = [text]
        if self.size > 1:
            dist.broadcast_object_list(said, src=0, device=self.device)
        return said[0]

    def mean(self, value: torch.Tensor) -> float:
        """The mean of a scalar over all ranks, the same number on each."""
        import torch.distributed as dist

        total = value.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return float(total) / self.size

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Average gradients over ranks. Batch normalisation sees all pictures of a step on GPUs; on
        CPUs, where torch cannot, each process normalises by its own part and rank 0's running
        statistics count (DDP hands them to the others before each forward pass)."""
        from torch.nn import SyncBatchNorm
        from torch.nn.parallel import DistributedDataParallel

        model = model.to(self.device)
        if self.size == 1:
            return model
        if self.device.type == "cuda":
            model = SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(model, device_ids=[self.device.index])
        return DistributedDataParallel(model)


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the group: gloo on CPUs, nccl on GPUs, at most two minutes to find each other."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        die_with_parent()  # an agent that is killed outright cannot stop its workers
    import torch
    import torch.distributed as dist

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
    if size > 1:
        dist.init_process_group("nccl" if where.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield World(rank, size, where)
    finally:
        if size > 1:
            dist.destroy_process_group()
