"""DINOv2 (Oquab et al. 2024, arXiv 2304.07193) with a light head: a ViT that no paper on this
dataset has tried, and that its reviewers asked for.

The ViT's patches of 14 pixels are coarse for the borders of an edit. So features of four depths are
brought to strides of a quarter, a half, one and two patches, as in DPT (Ranftl et al. 2021, arXiv
2103.13413), and mixed from the coarsest to the finest.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from timm.models.vision_transformer import VisionTransformer

REPOS = {
    "vit_base_patch14_dinov2": "timm/vit_base_patch14_dinov2.lvd142m",
    "vit_small_patch14_dinov2": "timm/vit_small_patch14_dinov2.lvd142m",
    "tiny": "",  # for tests
}
CARD = Card(
    title="DINOv2 ViT-B", image="train", gpu_gib=40, repos=(REPOS["vit_base_patch14_dinov2"],),
    licence="Apache-2.0", pflop=0.00105,
    note="what it needs of a GPU is an estimate; `pflop` is counted by torch's FlopCounterMode",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("binary", "semantic")
TINY: dict[str, Any] = {"embed_dim": 32, "depth": 4, "num_heads": 2, "img_size": 28}

_PAPER = Recipe(
    source="none in the paper; our choice, after SegFormer's",
    encoder="vit_base_patch14_dinov2", learning_rate=2e-4, encoder_share=0.1, warmup=1500,
    steps=40_000, batch=16, optimiser="adamw", momentum=0.9, weight_decay=0.05, decay_all=False,
    schedule="poly", power=1.0, floor=0.0, scale=(0.5, 2.0), crop=512, flip=True, clip=1.0,
)  # fmt: skip
RECIPES = {"paper": _PAPER, "modern": replace(_PAPER, ema=0.999)}


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; pictures of any size, filled up with zeros to whole patches:
    512 px to 518, the size that it was trained at."""
    encoders.check("dinov2", encoder, weights, REPOS)
    import timm

    from training.detectors._dpt import Dpt

    name = "vit_small_patch14_dinov2" if encoder == "tiny" else encoder
    vit = timm.create_model(
        name, num_classes=0, dynamic_img_size=True, dynamic_img_pad=True,
        **(TINY if encoder == "tiny" else {}),
    )  # fmt: skip
    if weights is not None:
        encoders.fill("dinov2", vit, weights, convert=lambda state: encoders.of_vit(state, vit))
    return Dpt(cast("VisionTransformer", vit), classes, width=16 if encoder == "tiny" else 256)
