"""Encoders' weights as hubs hold them, and one thread for all networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

Publish = Callable[[str, Mapping[str, torch.Tensor]], Path]


@pytest.fixture(autouse=True)
def _torch() -> Iterator[None]:
    """As in training: an operation without a deterministic form is an error."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    torch.manual_seed(0)
    yield
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(threads)


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Write tensors as `model.safetensors` of a hub id's folder."""

    def write(repo: str, state: Mapping[str, torch.Tensor]) -> Path:
        folder = tmp_path / repo.rsplit("/", 1)[-1]
        folder.mkdir()
        save_file({name: value.contiguous() for name, value in state.items()},
                  folder / "model.safetensors")  # fmt: skip
        return folder

    return write
