"""A detector of a few hundred parameters, with all that a loop must take care of: an encoder, batch
normalisation, dropout and biases."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any


def build(name: str, classes: int, encoder: str, weights: Path | None) -> Any:
    """In the place of `training.detectors.build`. `encoder`: "image" has one logit a picture, and
    "plain" nothing that depends on other pictures or on chance."""
    import torch
    from torch import nn

    if encoder == "plain":
        plain: torch.nn.Module = nn.Sequential(OrderedDict(
            encoder=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()),
            head=nn.Conv2d(8, classes, 1),
        ))  # fmt: skip
        return plain
    inner = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    if encoder == "image":
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1))
    else:
        head = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(8, classes, 1))
    model: torch.nn.Module = nn.Sequential(OrderedDict(encoder=inner, head=head))
    return model
