"""Tiny SDXL, and an adapter to it in the form that the libraries save."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from jobs.editors.sdxl_lora import ADAPTER, CARD
from jobs.tiny import sdxl
from jobs.tiny.parts import seeded

RANK = 2


def build(folder: Path) -> None:
    """Write both folders below `folder`."""
    sdxl.build(folder)
    found = {}
    with seeded(10):
        for name, layer in sdxl.unet(32).named_modules():
            if isinstance(layer, torch.nn.Linear) and ".transformer_blocks." in name:
                found[f"unet.{name}.lora_A.weight"] = torch.randn(RANK, layer.in_features) * 0.2
                found[f"unet.{name}.lora_B.weight"] = torch.randn(layer.out_features, RANK) * 0.2
    (path,) = (path for path in CARD.folders(folder) if not path.exists())
    path.mkdir()
    save_file(found, path / ADAPTER)
