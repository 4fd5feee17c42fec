"""Tiny Flux.1 dev."""

from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

from jobs.tiny.parts import (
    autoencoder,
    clip_text,
    clip_tokenizer,
    save,
    seeded,
    t5_encoder,
    t5_tokenizer,
)


def build(folder: Path) -> None:
    """Write the checkpoint below `folder`."""
    clip, t5 = clip_tokenizer(), t5_tokenizer(64)
    with seeded(4):
        transformer = FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,  # four latent channels, packed two by two
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        )
        pipe = FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=autoencoder(0.3611, 4, 0.1159, quantised=False),
            text_encoder=clip_text(32, clip),
            tokenizer=clip,
            text_encoder_2=t5_encoder(32, t5),
            tokenizer_2=t5,
            transformer=transformer,
        )
    save(pipe, folder / "FLUX.1-dev")
