"""GLIDE out of stock classes: its text transformer, and guided sampling that keeps known pixels.

The image network is diffusers' `UNet2DConditionModel`, the noise schedule its `DDPMScheduler`. Only
what the libraries lack is here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from jobs.editors import Settings
from jobs.editors.weights import reading

#: Steps in each fifth of the noise schedule, the cleanest first, as published for the upsampler
#: ("fast27"); its noisiest step is moved down by two.
FAST27 = (10, 10, 3, 2, 2)


class TextEncoder(nn.Module):
    """A pre-norm transformer over tokens, in which padding is an embedding of its own."""

    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.zeros(context, width))
        self.padding = nn.Parameter(torch.zeros(context, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Sequence[int]) -> Tensor:
        """A prompt as a list of tokens (cut if too long) to embeddings (1, context, width)."""
        device = self.position.device
        cut = list(tokens[: self.context])
        ids = torch.zeros(1, self.context, dtype=torch.long)
        ids[0, : len(cut)] = torch.tensor(cut, dtype=torch.long)
        said = (torch.arange(self.context) < len(cut))[None, :, None].to(device)
        states = self.embedding(ids.to(device)) + self.position
        states = torch.where(said, states, self.padding)
        encoded: Tensor = self.norm(self.layers(states))
        return encoded


def spaced(counts: Sequence[int], total: int) -> list[int]:
    """Of `total` steps of training those to sample, the noisiest first: `counts` evenly spread ones
    of each section of equal length, both ends of a section included."""
    found: list[int] = []
    start = 0
    for i, count in enumerate(counts):
        length = total // len(counts) + (i < total % len(counts))
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        found += [start + round(stride * step) for step in range(count)]
        start += length
    return found[::-1]


def fast27(total: int) -> list[int]:
    """The published steps of the upsampler."""
    return [total - 3, *spaced(FAST27, total)[1:]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One diffusion model of GLIDE, the base or the upsampler, with a text encoder of its own."""

    unet: Any
    scheduler: Any
    text: TextEncoder

    @classmethod
    def read(cls, folder: Path, settings: Settings) -> Stage:
        """The stage below `folder`: `unet/`, `scheduler/`, and `text/` in a form of ours."""
        with torch.device("meta"):  # no initial values, and none drawn from global random state
            text = TextEncoder(**json.loads((folder / "text" / "config.json").read_text()))
        text.load_state_dict(load_file(folder / "text" / "model.safetensors"), assign=True)
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", **reading(settings))
        for network in (unet, text):
            network.eval().requires_grad_(False)
            network.to(device=settings.device, dtype=getattr(torch, settings.dtype))
        scheduler = DDPMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
        return cls(unet, scheduler, text)

    @torch.no_grad()
    def paint(
        self,
        states: Tensor,
        photographs: Tensor,
        repaint: Tensor,
        *,
        steps: Sequence[int],
        guidance: float | None,
        draws: list[torch.Generator],
        smaller: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1, float32, that agree with `photographs` outside `repaint`.

        `states` (N, context, width) are the texts'; with a `guidance` those of N empty texts follow
        and guidance acts on the three noise channels, while the learned variance is that of the
        prompted half. The upsampler also sees the `smaller` pictures that it is to enlarge.
        `temperature` scales the noise that it begins with. Only the network's own work is done in
        its precision.
        """
        repaint = repaint.to(photographs.device)
        known = [photographs * ~repaint, (~repaint).to(photographs)]
        if smaller is not None:
            levels = ((smaller + 1) * 127.5).round() / 127.5 - 1  # it was trained on 8-bit pictures
            known.append(interpolate(levels, photographs.shape[-2:], mode="bilinear"))
        shape = tuple(photographs[0].shape)
        noisy = torch.stack([torch.randn(shape, generator=draw) for draw in draws]).to(photographs)
        noisy *= temperature
        self.scheduler.set_timesteps(timesteps=list(steps))
        for step in self.scheduler.timesteps:
            seen = torch.cat([noisy, *known], dim=1).to(self.unet.dtype)
            noise, variance = self._told(seen, step, states, guidance)
            # The noise that leads to the photograph: the network has no say over known pixels.
            level = self.scheduler.alphas_cumprod[step].to(noisy)
            true_noise = (noisy - level.sqrt() * photographs) / (1 - level).sqrt()
            told = torch.cat([torch.where(repaint, noise, true_noise), variance], dim=1)
            noisy = self.scheduler.step(told, step, noisy, generator=draws).prev_sample
        return torch.where(repaint, noisy, photographs)

    def _told(
        self, seen: Tensor, step: Tensor, states: Tensor, guidance: float | None
    ) -> tuple[Tensor, Tensor]:
        """The network's noise and variance, (N, 3, H, W) float32 each."""
        if guidance is not None:
            seen = seen.repeat(2, 1, 1, 1)
        told = self.unet(seen, step, states, class_labels=states[:, -1]).sample.float()
        if guidance is None:
            return told[:, :3], told[:, 3:]
        prompted, free = told.chunk(2)
        return free[:, :3] + guidance * (prompted[:, :3] - free[:, :3]), prompted[:, 3:]
