"""SegFormer (Xie et al. 2021, arXiv 2105.15203), from segmentation_models_pytorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

REPOS = {"mit_b2": "smp-hub/mit_b2.imagenet", "mit_b0": "smp-hub/mit_b0.imagenet"}
CARD = Card(
    title="SegFormer", image="train", gpu_gib=24, repos=(REPOS["mit_b2"],),
    licence="NVIDIA Source Code License for SegFormer (non-commercial)", pflop=0.000363,
    note="`pflop` is three times what torch's FlopCounterMode counts of a forward pass: it counts "
    "too much of the gradients of convolutions in groups",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("binary", "semantic")
#: The decoder's channels, by encoder (table 6 of that paper).
WIDTHS = {"mit_b2": 768, "mit_b0": 256}

_PAPER = Recipe(
    source="NVlabs/SegFormer's configuration for ADE20K, as MMSegmentation has it; B2 and 40,000 "
    "steps instead of 160,000 are our choice, colours are not disturbed, and biases are spared "
    "from decay beside norms",
    # Written there as 6e-5 with ten times as much for the head, from a millionth of both.
    encoder="mit_b2", learning_rate=6e-4, encoder_share=0.1, warmup=1500, warmup_from=6e-10,
    steps=40_000, batch=16, optimiser="adamw", momentum=0.9, weight_decay=0.01, decay_all=False,
    schedule="poly", power=1.0, floor=0.0, scale=(0.5, 2.0), crop=512, flip=True,
)  # fmt: skip
RECIPES = {
    "paper": _PAPER,
    "modern": replace(_PAPER, source="our choice: as paper, with a bound and an average", clip=1.0,
                      ema=0.999),
}  # fmt: skip


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; S must be a multiple of 4. The encoder drops paths (up to
    0.1) while it trains; dropout of 0.1 before the last layer, as published."""
    encoders.check("segformer", encoder, weights, REPOS)
    import segmentation_models_pytorch as smp
    from torch import nn

    model = smp.Segformer(
        encoder_name=encoder, encoder_weights=None, classes=classes,
        decoder_segmentation_channels=WIDTHS[encoder],
    )  # fmt: skip
    # The library asks for multiples of 32, but the decoder brings all levels to one size anyway.
    model.requires_divisible_input_shape = False
    model.segmentation_head = nn.Sequential(nn.Dropout2d(0.1), *model.segmentation_head)
    if weights is not None:
        encoders.fill("segformer", model.encoder, weights, ignore=("head.",))
    return cast("torch.nn.Module", model)
