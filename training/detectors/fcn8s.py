"""FCN-8s (Long et al. 2015, arXiv 1411.4038), at once, as wkentaro/pytorch-fcn trains it.

The published network reads BGR of 0..255 less Caffe's means, with Caffe's VGG16. The weights here
are torchvision's (as timm has them), and so is the input: RGB, normalised as ImageNet is. Folding
the other input into the first layer would make its weights 57 times smaller and their gradients as
many times larger, so that at the published rate its steps were 57 squared times too long.

The factors of the two skips, 0.01 and 0.0001, suit Caffe's features, which are much larger than
torchvision's: "vgg16" has them, as published; "vgg16-unscaled" goes without, and its recipe is
`modern`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cards import Card
from pipeline.documents import Task
from training import encoders
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

REPO = "timm/vgg16.tv_in1k"
REPOS = {"vgg16": REPO, "vgg16-unscaled": REPO, "tiny": ""}  # the last is for tests
CARD = Card(
    title="FCN-8s", image="train", gpu_gib=24, repos=(REPO,), licence="BSD-3-Clause",
    pflop=0.000813,
    note="the paper trained it on a GPU of 24 GiB; `pflop` is counted by torch's FlopCounterMode",
)  # fmt: skip
TASKS: tuple[Task, ...] = ("binary", "semantic")
RECIPES = {
    "paper": Recipe(
        source="the defaults of wkentaro/pytorch-fcn (commit 4b98850, train_fcn8s_atonce.py), with "
        "torchvision's weights and their input",
        encoder="vgg16", learning_rate=1e-10, steps=100_000, batch=1, momentum=0.99,
        weight_decay=5e-4, decay_all=False, bias_share=2.0, schedule="constant", loss_sum=True,
        scale=None, crop=None, flip=False, validate_every=4000,
    ),
    "modern": Recipe(
        source="our choice: the mean loss, a falling rate and DeepLabV3+'s pictures",
        encoder="vgg16-unscaled", learning_rate=1e-3, steps=30_000, batch=16, momentum=0.9,
        weight_decay=5e-4, decay_all=False, schedule="poly", power=0.9, floor=1e-6,
        scale=(0.5, 2.0), crop=512, flip=True,
    ),
}  # fmt: skip


def build(classes: int, encoder: str, weights: Path | None) -> torch.nn.Module:
    """See `training.detectors.Module`; S may be any size. `encoder` holds fc6 and fc7, too. 134 M
    parameters, computed as training/detectors/_fcn.py says."""
    encoders.check("fcn8s", encoder, weights, REPOS)
    from training.detectors._fcn import Fcn8s, Vgg

    tiny = encoder == "tiny"
    net = Vgg((4, 8, 8, 16, 16), 32) if tiny else Vgg((64, 128, 256, 512, 512), 4096)
    if weights is not None:
        encoders.fill("fcn8s", net, weights, convert=_renamed, ignore=("head.",))
    scale3, scale4 = (0.0001, 0.01) if encoder == "vgg16" else (1.0, 1.0)
    return Fcn8s(net, classes, scale3, scale4)


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    """timm has the classifier's two layers as convolutions already, of 7 x 7 and 1 x 1."""
    both = {"pre_logits.fc1.": "fc6.", "pre_logits.fc2.": "fc7."}
    for old, new in both.items():
        state = {name.replace(old, new): value for name, value in state.items()}
    return state
