"""FCN-8s (Long et al. 2015, arXiv 1411.4038) in its at-once form, and a faster way to compute it.

The network pads its picture by 100 pixels, so that at 512 px half of what it computes first is of
nothing. There, away from the canvas's edges, every feature has one value for each channel, "the
ring", which depends on the weights alone. So only what the picture reaches is computed, as its
difference from the ring: the zeros around such a difference, which a convolution adds for nothing,
are then the ring itself. Outputs and gradients are those of the padded form.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d, pad, relu

PAD = 100
DEPTHS = (2, 2, 3, 3, 3)
#: After four stages the canvas's edges reach so many places inwards from the left and the top (four
#: at most from the right and the bottom).
EDGE = 3
#: A canvas with room for both edges and one place between them has so many places for each stride.
LEAST = 7


class Vgg(nn.Module):
    """VGG16's convolutions under torchvision's names, and fc6 and fc7 as convolutions.

    `widths` are the channels of the five stages, `hidden` those of fc6 and fc7. Random weights are
    He's (2015); zeros, as in wkentaro/pytorch-fcn, could never learn."""

    def __init__(self, widths: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        self.features, self.names = nn.ModuleDict(), list[list[str]]()
        number = 0
        for (inner, outer), depth in zip(pairwise((3, *widths)), DEPTHS, strict=True):
            self.names.append([str(number + 2 * i) for i in range(depth)])
            for i, name in enumerate(self.names[-1]):
                self.features[name] = nn.Conv2d(outer if i else inner, outer, 3, padding=1)
            number += 2 * depth + 1
        self.fc6 = nn.Conv2d(widths[-1], hidden, 7)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        for conv in (part for part in self.modules() if isinstance(part, nn.Conv2d)):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def convs(self, number: int) -> list[nn.Conv2d]:
        """Those of one stage."""
        return [cast("nn.Conv2d", self.features[name]) for name in self.names[number]]

    def stage(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """One stage of convolutions and its pooling, as they are published."""
        for conv in self.convs(number):
            x = relu(conv(x), inplace=True)
        return max_pool2d(x, 2, ceil_mode=True)

    def padded(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, S, S) -> what stages 3 and 4 leave of the whole canvas."""
        x = pad(x, [PAD - 1] * 4)  # with its own 1, conv1_1 pads by 100
        for number in range(3):
            x = self.stage(number, x)
        return x, self.stage(3, x)

    def ringed(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same. `x` is what the picture adds to the ring between `start` and `stop` of a canvas
        of `size` places; it grows by one place with each convolution."""
        start, size = PAD - 1, x.shape[2] + 2 * PAD - 2
        stop, ring = start + x.shape[2], x.new_zeros(3)
        empty, whole = self._empty(x, size), list[torch.Tensor]()
        for number in range(4):
            for conv in self.convs(number):
                x, ring = _grow(conv, x, ring)
                start, stop = start - 1, stop + 1
            x = max_pool2d(pad(x, (start % 2, stop % 2) * 2), 2)
            start, stop, size = start // 2, (stop + 1) // 2, (size + 1) // 2
            if number >= 2:
                around = (start, size - stop) * 2
                whole.append(pad(x, around) + _stretch(empty[number - 2], size))
        return whole[0], whole[1]

    def _empty(self, like: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What stages 3 and 4 leave of the smallest empty canvas whose edges are like those of one
        of `size` places: it is halved four times, so their remainders by 16 must be the same."""
        least = size % 16 + 16 * LEAST
        three = like.new_zeros(1, 3, least, least)
        for number in range(3):
            three = self.stage(number, three)
        return three, self.stage(3, three)


def _grow(
    conv: nn.Conv2d, x: torch.Tensor, ring: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A 3 x 3 convolution and its ReLU of `ring` + `x` (B, C, n, n), as the new ring (C,) and what
    is added to it (B, C, n + 2, n + 2)."""
    bias = conv.weight.sum((2, 3)) @ ring
    if conv.bias is not None:
        bias = bias + conv.bias
    ring = relu(bias)
    x = relu(conv2d(x, conv.weight, bias, padding=2), inplace=True)
    return x - ring[:, None, None], ring


def _stretch(x: torch.Tensor, size: int) -> torch.Tensor:
    """(1, C, m, m) -> (1, C, size, size) by repeating the middle, which is the same everywhere."""
    for axis in (2, 3):
        left, middle, right = x.tensor_split((EDGE, EDGE + 1), axis)
        sides = [-1] * 4
        sides[axis] = size - x.shape[axis] + 1
        x = torch.cat([left, middle.expand(sides), right], axis)
    return x


class Fcn8s(nn.Module):
    """`scale3` and `scale4` multiply what stages 3 and 4 are scored from: 0.0001 and 0.01 in the
    at-once form. The score layers begin at zero, the up-convolutions are bilinear and fixed.
    `ring` False computes the padded form as it is published."""

    def __init__(
        self, encoder: Vgg, classes: int, scale3: float, scale4: float, ring: bool = True
    ) -> None:
        super().__init__()
        self.scales, self.ring = (scale3, scale4), ring
        self.encoder = encoder
        widths = [encoder.convs(number)[-1].out_channels for number in range(len(DEPTHS))]
        self.score_pool3 = nn.Conv2d(widths[2], classes, 1)
        self.score_pool4 = nn.Conv2d(widths[3], classes, 1)
        self.score_fr = nn.Conv2d(encoder.fc7.out_channels, classes, 1)
        for score in (self.score_pool3, self.score_pool4, self.score_fr):
            for parameter in score.parameters():
                nn.init.zeros_(parameter)
        self.drop = nn.Dropout2d(0.5)
        self.upscore2 = _bilinear(classes, 2)
        self.upscore_pool4 = _bilinear(classes, 2)
        self.upscore8 = _bilinear(classes, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, classes, S, S); the offsets of the cuts are the published ones."""
        net, side = self.encoder, x.shape[2]
        # Runtimes of exported graphs may merge a padding by zero with the pooling that follows, as
        # if nothing were below zero: onnxruntime does, and is then wrong.
        ring = self.ring and not torch.compiler.is_exporting()
        three, four = net.ringed(x) if ring else net.padded(x)
        x = self.drop(relu(net.fc6(net.stage(4, four)), inplace=True))
        x = self.drop(relu(net.fc7(x), inplace=True))
        x = self.upscore2(self.score_fr(x))
        x = x + self.score_pool4(_cut(four, 5, x.shape[2]) * self.scales[1])
        x = self.upscore_pool4(x)
        x = x + self.score_pool3(_cut(three, 9, x.shape[2]) * self.scales[0])
        return _cut(self.upscore8(x), 31, side).contiguous()


def _cut(x: torch.Tensor, start: int, size: int) -> torch.Tensor:
    return x[:, :, start : start + size, start : start + size]


def _bilinear(classes: int, factor: int) -> nn.ConvTranspose2d:
    """Enlarges each class's scores by `factor`; never learns."""
    side = 2 * factor
    layer = nn.ConvTranspose2d(classes, classes, side, factor, bias=False, groups=classes)
    slope = 1 - (torch.arange(side) - (side - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.copy_(torch.outer(slope, slope))
    return layer.requires_grad_(False)
