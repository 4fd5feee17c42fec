"""Inpainting for a text-to-image pipeline that has none: keep the known latents at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor

if TYPE_CHECKING:
    from PIL.Image import Image


class LatentBlend:
    """A `callback_on_step_end` that puts the photograph back outside the mask.

    After each step the known region is replaced by the photograph's latents, noised to the level of
    the next step, and after the last one by the clean latents (RePaint without resampling).
    """

    def __init__(
        self,
        pipe: Any,
        images: Sequence[Image],
        masks: Sequence[Image],
        draws: list[torch.Generator],
    ) -> None:
        """Encode the photographs; all random numbers come from `draws`, one a sample."""
        vae = pipe.vae
        batch = pipe.image_processor.preprocess(list(images)).to(vae.device, vae.dtype)
        # One call a sample keeps a sample's bytes free of its batch, as the library does elsewhere.
        latents = [
            vae.encode(batch[i : i + 1]).latent_dist.sample(draw) for i, draw in enumerate(draws)
        ]
        self.known = torch.cat(latents) * vae.config.scaling_factor
        self.noise = randn_tensor(
            self.known.shape, generator=draws, device=vae.device, dtype=vae.dtype
        )
        stack = np.stack([np.asarray(mask.convert("L")) > 127 for mask in masks])
        repaint = torch.from_numpy(stack[:, None]).to(vae.device, vae.dtype)
        self.repaint = torch.nn.functional.interpolate(repaint, self.known.shape[-2:])

    def __call__(
        self, pipe: Any, index: int, _step: Any, state: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Called by the pipeline after step `index`; returns the blended `latents`."""
        following = pipe.scheduler.timesteps[index + 1 : index + 2]
        known = self.known
        if len(following):
            known = pipe.scheduler.add_noise(known, self.noise, following)
        latents = state["latents"]
        return {"latents": torch.where(self.repaint > 0, latents, known.to(latents.dtype))}
