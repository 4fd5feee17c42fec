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

    def forward(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Prompts as token lists (too long ones are cut) to embeddings (N, context, width)."""
        device = self.position.device
        ids = torch.zeros(len(tokens), self.context, dtype=torch.long)
        said = torch.zeros(len(tokens), self.context, 1, dtype=torch.bool)
        for row, prompt in enumerate(tokens):
            cut = list(prompt[: self.context])
            ids[row, : len(cut)] = torch.tensor(cut, dtype=torch.long)
            said[row, : len(cut)] = True
        states = self.embedding(ids.to(device)) + self.position
        states = torch.where(said.to(device), states, self.padding)
        encoded: Tensor = self.norm(self.layers(states))
        return encoded


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
        tokens: Sequence[Sequence[int]],
        photographs: Tensor,
        repaint: Tensor,
        *,
        steps: int,
        guidance: float,
        draws: list[torch.Generator],
        smaller: Tensor | None = None,
    ) -> Tensor:
        """Pictures (N, 3, H, W) in -1..1 that agree with `photographs` outside `repaint`.

        Guidance acts on the three noise channels; the learned variance is that of the prompted
        half. The upsampler also sees the `smaller` pictures that it is to enlarge.
        """
        photographs, repaint = photographs.to(self.unet.dtype), repaint.to(photographs.device)
        known = [photographs * ~repaint, (~repaint).to(photographs)]
        if smaller is not None:
            known.append(interpolate(smaller, photographs.shape[-2:], mode="bilinear"))
        text = self.text([*tokens, *([[]] * len(tokens))])
        shape = tuple(photographs[0].shape)
        noisy = torch.stack([torch.randn(shape, generator=draw) for draw in draws]).to(photographs)
        self.scheduler.set_timesteps(steps)
        for step in self.scheduler.timesteps:
            seen = torch.cat([noisy, *known], dim=1).repeat(2, 1, 1, 1)
            prompted, free = self.unet(seen, step, text, class_labels=text[:, -1]).sample.chunk(2)
            noise = free[:, :3] + guidance * (prompted[:, :3] - free[:, :3])
            # The noise that leads to the photograph: the network has no say over known pixels.
            level = self.scheduler.alphas_cumprod[step].to(noisy)
            true_noise = (noisy - level.sqrt() * photographs) / (1 - level).sqrt()
            told = torch.cat([torch.where(repaint, noise, true_noise), prompted[:, 3:]], dim=1)
            noisy = self.scheduler.step(told, step, noisy, generator=draws).prev_sample
        return torch.where(repaint, noisy, photographs)
