"""DeepLabV3+ (Chen et al. 2018, arXiv 1802.02611), from segmentation_models_pytorch.

Output stride 16 and rates 6, 12, 18; the library's separable convolutions make a smaller and
faster net (26.7 M parameters with resnet50) than that of `deeplabv3plus` (39.8 M).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.cards import Card
from pipeline.documents import Task
from pipeline.errors import ConfigError
from training import encoders
from training.detectors import deeplabv3plus

if TYPE_CHECKING:
    import torch

#: The library's ResNets have torchvision's names, but for the last stage's stride.
REPOS = deeplabv3plus.REPOS
CARD = Card(
    title="DeepLabV3+ (separable)", image="train", gpu_gib=24, repos=(REPOS["resnet50"],),
    licence="BSD-3-Clause", pflop=0.00022,
    note="`pflop` is three times what torch's FlopCounterMode counts of a forward pass: it counts "
    "too much of the gradients of convolutions in groups",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("binary", "semantic")
RECIPES = {
    name: replace(recipe, source=f"as deeplabv3plus: {recipe.source}")
    for name, recipe in deeplabv3plus.RECIPES.items()
}


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`. `encoder` is one of the library's, such as "resnet50", or
    timm's, such as "tu-resnet10t"; weights are known for the four ResNets only."""
    import segmentation_models_pytorch as smp
    import timm
    from torch.nn import BatchNorm2d

    of_timm = encoder.startswith("tu-") and timm.is_model(encoder.removeprefix("tu-"))
    if encoder not in smp.encoders.encoders and not of_timm:
        raise ConfigError(
            f"detectors.smpdeeplab.encoder: segmentation_models_pytorch has no {encoder!r}"
        )
    encoders.check("smpdeeplab", encoder, weights, {encoder: ""} | REPOS)
    model = smp.DeepLabV3Plus(
        encoder_name=encoder, encoder_weights=None, encoder_output_stride=16,
        decoder_atrous_rates=(6, 12, 18), classes=classes,
    )  # fmt: skip
    if weights is not None:
        encoders.fill("smpdeeplab", model.encoder, weights, ignore=("fc.",))
        for layer in model.encoder.modules():
            if isinstance(layer, BatchNorm2d):
                layer.momentum = deeplabv3plus.MOMENTUM
    return cast("torch.nn.Module", model)
