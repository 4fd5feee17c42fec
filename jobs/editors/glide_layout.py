"""How big each published model of GLIDE is, and the stock classes that have its shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from jobs.editors.glide_net import TextEncoder


@dataclass(frozen=True, slots=True)
class Layout:
    """One model. `channels` is how many its network sees: a noisy picture (3); to inpaint, the
    known picture and where it is known (4 more); to enlarge, the smaller picture (3 more).

    The network has `blocks` residual blocks at each of the levels `widths`, which attend from level
    `first` on with heads `head` wide. The text transformer has `layers` of width `width`.
    """

    size: int
    channels: int
    widths: tuple[int, ...]
    blocks: int
    first: int
    schedule: str
    head: int = 64
    groups: int = 32
    width: int = 512
    layers: int = 16
    heads: int = 8
    context: int = 128
    vocabulary: int = 50257

    def unet(self) -> Any:
        attending = len(self.widths) - self.first
        return UNet2DConditionModel(
            sample_size=self.size,
            in_channels=self.channels,
            out_channels=6,  # noise and its variance
            cross_attention_dim=self.width,
            layers_per_block=self.blocks,
            block_out_channels=self.widths,
            norm_num_groups=self.groups,
            attention_head_dim=self.head,
            down_block_types=("ResnetDownsampleBlock2D",) * self.first
            + ("SimpleCrossAttnDownBlock2D",) * attending,
            up_block_types=("SimpleCrossAttnUpBlock2D",) * attending
            + ("ResnetUpsampleBlock2D",) * self.first,
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            resnet_time_scale_shift="scale_shift",
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=self.width,
        )

    def text(self) -> TextEncoder:
        return TextEncoder(**self._text())

    def _text(self) -> dict[str, int]:
        names = ("vocabulary", "context", "width", "layers", "heads")
        return {name: getattr(self, name) for name in names}

    def save(self, folder: Path, unet: Any, text: dict[str, Tensor]) -> None:
        """Write the stage in the form that `glide_net.Stage.read` reads."""
        unet.save_pretrained(folder / "unet")
        DDPMScheduler(
            beta_schedule=self.schedule, variance_type="learned_range", clip_sample=True
        ).save_pretrained(folder / "scheduler")
        (folder / "text").mkdir()
        (folder / "text" / "config.json").write_text(json.dumps(self._text(), indent=2) + "\n")
        save_file(text, folder / "text" / "model.safetensors")


def _base(channels: int) -> Layout:
    return Layout(64, channels, (192, 384, 576, 768), 3, 1, "squaredcos_cap_v2")


def _upsampler(channels: int) -> Layout:
    return Layout(256, channels, (192, 192, 384, 384, 768, 768), 2, 3, "linear")


#: By the name of the published file. The editor reads the two that inpaint.
PUBLISHED = {
    "base": _base(3),
    "base_inpaint": _base(7),
    "upsample": _upsampler(6),
    "upsample_inpaint": _upsampler(10),
}


def empty(layout: Layout) -> tuple[Any, TextEncoder]:
    """Both networks of a layout, without memory for their numbers."""
    with torch.device("meta"):
        return layout.unet(), layout.text()
