"""CNNSpot (Wang et al. 2020, arXiv 1912.11035): is the picture edited at all, by a ResNet-50.

As PeterWang512/CNNDetection trains it: an ImageNet classifier with one logit, all of it learning.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.detectors import deeplabv3plus
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

REPOS = deeplabv3plus.REPOS
CARD = Card(
    title="CNNSpot", image="train", gpu_gib=24, repos=(REPOS["resnet50"],), licence="BSD-3-Clause",
    pflop=0.000127, note="`pflop` is counted by torch's FlopCounterMode at 224 px, and scaled",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("image",)

#: Steps of an epoch over the paper's 24,000 edited and 24,000 real pictures: the repository
#: validates, and waits, in epochs.
EPOCH = 750
_PAPER = Recipe(
    source="the defaults of PeterWang512/CNNDetection (commit ea0b562), which stop by themselves; "
    "the limit of 100 epochs is ours",
    encoder="resnet50", learning_rate=1e-4, steps=100 * EPOCH, batch=64, optimiser="adam",
    momentum=0.9, schedule="plateau", floor=1e-6, patience=5, validate_every=EPOCH,
    load=256, crop=224, flip=True,
)  # fmt: skip
RECIPES = {
    "paper": _PAPER,
    "modern": replace(
        _PAPER, source="as its released model, with blur and JPEG of probability 0.5",
        blur=0.5, jpeg=0.5,
    ),
}  # fmt: skip


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; pictures of any size from 32 px. The logit's weights begin
    at N(0, 0.02), as there."""
    encoders.check("cnnspot", encoder, weights, REPOS)
    from collections import OrderedDict

    import torchvision
    from torch import nn

    net = getattr(torchvision.models, encoder)()
    logit = nn.Linear(net.fc.in_features, 1)
    nn.init.normal_(logit.weight, 0.0, 0.02)
    net.fc = nn.Identity()
    if weights is not None:
        encoders.fill("cnnspot", net, weights, ignore=("fc.",))
    return nn.Sequential(OrderedDict(encoder=net, logit=logit))
