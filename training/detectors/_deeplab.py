"""DeepLabV3+ on torchvision's ResNets (Chen et al. 2018, arXiv 1802.02611), layer by layer as
VainF/DeepLabV3Plus-Pytorch has it; what is `backbone` there is `encoder` here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from torchvision.models import ResNet

RATES = (6, 12, 18)  # for an output stride of 16
WIDTH, LOW_WIDTH = 256, 48


def dilate(layer: nn.Module) -> None:
    """Take the stride out of a ResNet's stage: every 3 x 3 convolution after the one that strode
    then looks twice as far, and sees what it saw before.

    The same as torchvision's `replace_stride_with_dilation`, which refuses basic blocks."""
    strode = False
    for conv in (part for part in layer.modules() if isinstance(part, nn.Conv2d)):
        if conv.kernel_size == (3, 3) and strode:
            conv.dilation, conv.padding = (2, 2), (2, 2)
        strode = strode or (conv.kernel_size == (3, 3) and conv.stride == (2, 2))
        conv.stride = (1, 1)


def unit(inner: int, outer: int, kernel: int = 1, rate: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, batch normalisation and ReLU."""
    padding = rate * (kernel // 2)
    conv = nn.Conv2d(inner, outer, kernel, padding=padding, dilation=rate, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outer), nn.ReLU(inplace=True))


class Pooling(nn.Sequential):
    """The picture's mean features, at every place."""

    def __init__(self, inner: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *unit(inner, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = x
        for part in self:
            pooled = part(pooled)
        return pooled.expand(-1, -1, *x.shape[2:])


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: five views of the same features, then their mixture."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        wide = (unit(inner, WIDTH, 3, rate) for rate in RATES)
        self.convs = nn.ModuleList([unit(inner, WIDTH), *wide, Pooling(inner)])
        self.project = unit(5 * WIDTH, WIDTH).append(nn.Dropout(0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        views: torch.Tensor = self.project(torch.cat([conv(x) for conv in self.convs], dim=1))
        return views


class Head(nn.Module):
    """From features at strides 4 and 16 to logits at stride 4."""

    def __init__(self, low: int, high: int, classes: int) -> None:
        super().__init__()
        self.project = unit(low, LOW_WIDTH)
        self.aspp = Aspp(high)
        self.classifier = unit(LOW_WIDTH + WIDTH, WIDTH, 3).append(nn.Conv2d(WIDTH, classes, 1))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight)

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        low = self.project(low)
        high = interpolate(self.aspp(high), low.shape[2:], mode="bilinear", align_corners=False)
        logits: torch.Tensor = self.classifier(torch.cat([low, high], dim=1))
        return logits


class DeepLab(nn.Module):
    """`encoder` is one of torchvision's ResNets, whose classifier is taken off and whose last stage
    is dilated."""

    def __init__(self, encoder: ResNet, classes: int) -> None:
        super().__init__()
        high = encoder.fc.in_features
        del encoder.fc, encoder.avgpool
        dilate(encoder.layer4)
        self.encoder = encoder
        self.classifier = Head(high // 8, high, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part = self.encoder
        low = part.layer1(part.maxpool(part.relu(part.bn1(part.conv1(x)))))
        logits = self.classifier(low, part.layer4(part.layer3(part.layer2(low))))
        return interpolate(logits, x.shape[2:], mode="bilinear", align_corners=False)
