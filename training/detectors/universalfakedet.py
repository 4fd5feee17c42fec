"""UniversalFakeDetect (Ojha et al. 2023, arXiv 2302.10174): is the picture edited at all, by one
linear layer on what CLIP says of it.

The image tower of CLIP ViT-L/14 with its projection to 768 numbers is frozen, as with the
repository's `--fix_backbone`. timm has the same tower and OpenAI's weights as safetensors; the
variant with QuickGELU is the one that they were trained with.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

REPOS = {
    "vit_large_patch14_clip_224": "timm/vit_large_patch14_clip_224.openai",
    "tiny": "",  # for tests
}
CARD = Card(
    title="UniversalFakeDet", image="train", gpu_gib=24,
    repos=(REPOS["vit_large_patch14_clip_224"],), licence="Apache-2.0", pflop=0.000847,
    note="only the linear layer learns; `pflop` is counted by torch's FlopCounterMode at 224 px, "
    "forward alone, and scaled",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("image",)
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
TINY: dict[str, Any] = {"embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 8}

#: Steps of an epoch over the paper's 24,000 edited and 24,000 real pictures.
EPOCH = 188
_PAPER = Recipe(
    source="the defaults of WisconsinAIVision/UniversalFakeDetect (commit 76a0e3e)",
    encoder="vit_large_patch14_clip_224", learning_rate=1e-4, steps=100 * EPOCH, batch=256,
    optimiser="adamw", momentum=0.9, schedule="plateau", floor=1e-6, patience=5,
    validate_every=EPOCH, load=256, crop=224, flip=True, blur=0.5, jpeg=0.5,
    mean=CLIP[0], std=CLIP[1],
)  # fmt: skip
RECIPES = {
    "paper": _PAPER,
    "modern": replace(
        _PAPER, source="our choice", learning_rate=1e-3, schedule="poly", power=1.0, floor=0.0,
        steps=20 * EPOCH,
    ),
}  # fmt: skip


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; at sizes other than 224 px the tower's places are
    interpolated. The logit's weights begin at N(0, 0.02), as there."""
    encoders.check("universalfakedet", encoder, weights, REPOS)
    from collections import OrderedDict

    import timm
    from torch import nn

    tower = timm.create_model(
        "vit_large_patch14_clip_quickgelu_224", dynamic_img_size=True, dynamic_img_pad=True,
        **(TINY if encoder == "tiny" else {"num_classes": 768}),
    )  # fmt: skip
    if weights is not None:
        encoders.fill("universalfakedet", tower, weights,
                      convert=lambda state: encoders.of_vit(state, tower))  # fmt: skip
    said: Any = tower.num_classes
    logit = nn.Linear(said, 1)
    nn.init.normal_(logit.weight, 0.0, 0.02)
    return nn.Sequential(OrderedDict(encoder=tower.requires_grad_(False), logit=logit))
