"""From a plain ViT to logits for each pixel: DPT's pyramid (Ranftl et al. 2021, arXiv 2103.13413),
with one convolution at each step instead of its residual pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


def resized(x: torch.Tensor, size: torch.Size | tuple[int, int]) -> torch.Tensor:
    return interpolate(x, size, mode="bilinear", align_corners=False)


def unit(width: int) -> nn.Sequential:
    conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class Dpt(nn.Module):
    """Features after each quarter of the ViT's blocks, the shallowest for the finest level."""

    def __init__(self, vit: VisionTransformer, classes: int, width: int) -> None:
        super().__init__()
        self.encoder = vit
        depth, inner = len(vit.blocks), vit.embed_dim
        self.depths = [depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]
        self.patch = vit.patch_embed.patch_size[0]
        self.levels = nn.ModuleList([
            nn.ConvTranspose2d(inner, width, 4, 4),
            nn.ConvTranspose2d(inner, width, 2, 2),
            nn.Conv2d(inner, width, 1),
            nn.Conv2d(inner, width, 3, 2, 1),
        ])  # fmt: skip
        self.mix = nn.ModuleList([unit(width) for _ in self.levels])
        self.score = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(width, classes, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        seen: list[torch.Tensor] = self.encoder.forward_intermediates(  # type: ignore[assignment]
            x, indices=self.depths, norm=True, intermediates_only=True
        )
        whole = seen[0].shape[2] * self.patch, seen[0].shape[3] * self.patch
        found = [level(one) for level, one in zip(self.levels, seen, strict=True)]
        mixed = self.mix[3](found[3])
        for level in (2, 1, 0):
            mixed = self.mix[level](found[level] + resized(mixed, found[level].shape[2:]))
        return resized(self.score(mixed), whole)[:, :, :height, :width]
