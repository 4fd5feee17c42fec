"""Tiny Stable Diffusion 3.5."""

from pathlib import Path

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)

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
    with seeded(2):
        transformer = SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=16,  # the pipeline takes no other number of latent channels
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=32,
            pos_embed_max_size=32,  # pictures up to 256 pixels
            dual_attention_layers=(0,),
            qk_norm="rms_norm",
        )
        pipe = StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=autoencoder(1.5305, 16, 0.0609, quantised=False),
            text_encoder=clip_text(16, clip, 16),
            tokenizer=clip,
            text_encoder_2=clip_text(16, clip, 16),
            tokenizer_2=clip,
            text_encoder_3=t5_encoder(32, t5),
            tokenizer_3=t5,
        )
    save(pipe, folder / "stable-diffusion-3.5-medium")
