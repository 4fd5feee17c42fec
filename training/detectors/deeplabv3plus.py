"""DeepLabV3+ in the form of the repository that the paper used (VainF/DeepLabV3Plus-Pytorch,
`deeplabv3plus_resnet50`): output stride 16, rates 6, 12, 18, no separable convolutions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

REPOS = {
    name: f"timm/{name}.tv_in1k" for name in ("resnet50", "resnet101", "resnet34", "resnet18")
}  # fmt: skip
CARD = Card(
    title="DeepLabV3+", image="train", gpu_gib=24, repos=(REPOS["resnet50"],),
    licence="BSD-3-Clause", pflop=0.000356,
    note="the paper trained it on a GPU of 24 GiB; `pflop` is counted by torch's FlopCounterMode",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("binary", "semantic")

_PAPER = Recipe(
    source="the defaults of VainF/DeepLabV3Plus-Pytorch (commit 4e1087d, main.py), at 512 instead "
    "of 513 px",
    encoder="resnet50", learning_rate=0.01, encoder_share=0.1, steps=30_000, batch=16,
    momentum=0.9, weight_decay=1e-4, schedule="poly", power=0.9, floor=1e-6, scale=(0.5, 2.0),
    crop=512, flip=True,
)  # fmt: skip
RECIPES = {
    "paper": _PAPER,
    "modern": replace(
        _PAPER, source="our choice", optimiser="adamw", learning_rate=5e-4, weight_decay=0.01,
        decay_all=False, power=1.0, floor=0.0, warmup=1000, clip=1.0, ema=0.999,
    ),
    "small": replace(
        _PAPER, source="our choice for a few dozen pictures of 128 px, from random weights: crops "
        "show texture and hide what the picture is of", encoder="resnet18", learning_rate=0.05,
        encoder_share=1.0, steps=120, weight_decay=5e-4, warmup=5, ema=0.95, scale=(0.7, 1.4),
        crop=64,
    ),
}  # fmt: skip
#: Of a pretrained encoder's running statistics, which took a million pictures to gather.
MOMENTUM = 0.01


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; S may be any size from 32 px. 39.8 M parameters with
    resnet50. A step of training needs two pictures on each process: the pooled branch normalises
    one value a picture."""
    encoders.check("deeplabv3plus", encoder, weights, REPOS)
    import torchvision
    from torch.nn import BatchNorm2d

    from training.detectors._deeplab import DeepLab

    model = DeepLab(getattr(torchvision.models, encoder)(), classes)
    if weights is not None:
        encoders.fill("deeplabv3plus", model.encoder, weights, ignore=("fc.",))
        for layer in model.encoder.modules():
            if isinstance(layer, BatchNorm2d):
                layer.momentum = MOMENTUM
    return model
