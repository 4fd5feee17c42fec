"""The adapter changes the UNet, and nothing of it is left over; what it needs is named."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs.editors import Settings, sdxl, sdxl_lora
from jobs.tiny.cache import ensure
from pipeline.errors import ConfigError


def test_the_adapter_is_melted_into_the_base(tiny_root: Path) -> None:
    from safetensors.torch import load_file

    folder = ensure("sdxl_lora", tiny_root)
    plain: Any = sdxl.load(folder, Settings())
    fused: Any = sdxl_lora.load(folder, Settings())
    before, after = plain.pipe.unet.state_dict(), fused.pipe.unet.state_dict()
    assert before.keys() == after.keys()
    deltas = load_file(folder / "Hyper-SD" / sdxl_lora.ADAPTER)
    changed = 0
    for name in before:
        module = f"unet.{name.removesuffix('.weight')}"
        delta = torch.zeros_like(before[name])
        if f"{module}.lora_A.weight" in deltas:
            delta = deltas[f"{module}.lora_B.weight"] @ deltas[f"{module}.lora_A.weight"]
            changed += 1
        assert torch.allclose(after[name], before[name] + delta, atol=1e-6), name
    assert changed == len(deltas) // 2 > 10


def test_it_samples_as_published(tiny_root: Path) -> None:
    editor: Any = sdxl_lora.load(ensure("sdxl_lora", tiny_root), Settings())
    scheduler = editor.painter.scheduler
    assert type(scheduler).__name__ == "DDIMScheduler"
    assert scheduler.config.timestep_spacing == "trailing"
    scheduler.set_timesteps(8)
    assert scheduler.timesteps.tolist() == [999, 874, 749, 624, 499, 374, 249, 124]
    assert (sdxl_lora.CARD.steps, sdxl_lora.CARD.guidance) == (8, 0.0)


def test_the_same_seed_paints_another_picture_than_sdxl(tiny_root: Path) -> None:
    folder = ensure("sdxl_lora", tiny_root)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    how = ([image], [np.ones((64, 64), np.bool_)], ["a cat"], [1])
    (plain,) = sdxl.load(folder, Settings(steps=2)).inpaint(*how)
    (distilled,) = sdxl_lora.load(folder, Settings(steps=2)).inpaint(*how)
    assert plain.pixels is not None and distilled.pixels is not None
    assert not np.array_equal(plain.pixels, distilled.pixels)


def test_an_adapter_that_is_missing_is_named(tiny_root: Path, tmp_path: Path) -> None:
    shutil.copytree(ensure("sdxl_lora", tiny_root), tmp_path, dirs_exist_ok=True)
    (tmp_path / "Hyper-SD" / sdxl_lora.ADAPTER).rename(tmp_path / "Hyper-SD" / "other.safetensors")
    with pytest.raises(ConfigError, match=r"Hyper-SDXL-8steps-lora\.safetensors in .*/Hyper-SD"):
        sdxl_lora.load(tmp_path, Settings())
