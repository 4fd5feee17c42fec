"""Tiny Stable Diffusion 2: an inpainting checkpoint (9 channels) and a base one (4)."""

from pathlib import Path
from typing import Any

from diffusers import (
    DDIMScheduler,
    PNDMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from jobs.tiny.parts import BETAS, UNET, autoencoder, clip_text, clip_tokenizer, save, seeded


def _unet(channels: int) -> Any:
    return UNet2DConditionModel(
        in_channels=channels,
        out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        use_linear_projection=True,
        **UNET,
    )


def build(folder: Path) -> None:
    """Write both checkpoints below `folder`."""
    tokenizer = clip_tokenizer()
    with seeded(1):
        shared = {
            "vae": autoencoder(0.18215),
            "text_encoder": clip_text(16, tokenizer),
            "tokenizer": tokenizer,
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        }
        inpainting = StableDiffusionInpaintPipeline(
            unet=_unet(9),
            scheduler=DDIMScheduler(
                clip_sample=False, set_alpha_to_one=False, steps_offset=1, **BETAS
            ),
            **shared,
        )
        base = StableDiffusionPipeline(
            unet=_unet(4),
            scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1, **BETAS),
            **shared,
        )
    save(inpainting, folder / "stable-diffusion-2-inpainting")
    save(base, folder / "stable-diffusion-2-base")
