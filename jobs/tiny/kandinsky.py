"""Tiny Kandinsky 2.2: the prior, the inpainting decoder and the base decoder."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    DDPMScheduler,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorPipeline,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from jobs.tiny.parts import UNET, clip_text, clip_tokenizer, save, seeded


def _movq() -> Any:
    return VQModel(
        in_channels=3,
        out_channels=3,
        block_out_channels=(32,) * 4,  # the spatial norm wants multiples of 32
        layers_per_block=1,
        latent_channels=4,
        vq_embed_dim=4,
        down_block_types=("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        up_block_types=("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        num_vq_embeddings=16,
        norm_num_groups=4,
        norm_type="spatial",
    )


def _unet(channels: int) -> Any:
    return UNet2DConditionModel(
        in_channels=channels,
        out_channels=8,
        addition_embed_type="image",
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=16,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
        **UNET,
    )


def _prior() -> Any:
    tokenizer = clip_tokenizer()
    network = PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=8,
        embedding_dim=16,
        num_layers=1,
        num_embeddings=77,
        additional_embeddings=4,
    )
    network.clip_std = torch.nn.Parameter(torch.ones(1, 16))
    vision = CLIPVisionConfig(
        hidden_size=16,
        projection_dim=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    return KandinskyV22PriorPipeline(
        prior=network,
        image_encoder=CLIPVisionModelWithProjection(vision),
        text_encoder=clip_text(16, tokenizer, 16),
        tokenizer=tokenizer,
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
        scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            num_train_timesteps=1000,
            clip_sample_range=5.0,
        ),
    )


def _noise() -> Any:
    return DDPMScheduler(
        beta_schedule="linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        variance_type="learned_range",
        thresholding=False,
    )


def build(folder: Path) -> None:
    """Write the three checkpoints below `folder`."""
    with seeded(7):
        prior, movq = _prior(), _movq()
        inpaint = KandinskyV22InpaintPipeline(unet=_unet(9), movq=movq, scheduler=_noise())
        base = KandinskyV22Pipeline(unet=_unet(4), movq=movq, scheduler=_noise())
    save(prior, folder / "kandinsky-2-2-prior")
    save(inpaint, folder / "kandinsky-2-2-decoder-inpaint")
    save(base, folder / "kandinsky-2-2-decoder")
