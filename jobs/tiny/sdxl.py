"""Tiny Stable Diffusion XL, and the UNet that tiny Kolors has in common with it."""

from pathlib import Path
from typing import Any

from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

from jobs.tiny.parts import BETAS, UNET, autoencoder, clip_text, clip_tokenizer, save, seeded


def unet(cross: int, **extra: Any) -> Any:
    """An SDXL UNet that attends to text states of width `cross`."""
    return UNet2DConditionModel(
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1),
        cross_attention_dim=cross,
        attention_head_dim=(2, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,  # six sizes and the pooled text
        **UNET,
        **extra,
    )


def build(folder: Path) -> None:
    """Write the checkpoint below `folder`."""
    clip = clip_tokenizer()
    with seeded(3):
        pipe = StableDiffusionXLPipeline(
            vae=autoencoder(0.13025),
            text_encoder=clip_text(16, clip),
            text_encoder_2=clip_text(16, clip, 16),
            tokenizer=clip,
            tokenizer_2=clip,
            unet=unet(32),
            add_watermarker=False,
            scheduler=EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **BETAS),
        )
    save(pipe, folder / "stable-diffusion-xl-base-1.0")
