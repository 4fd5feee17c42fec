"""Tiny GLIDE, in the layout that a converted checkpoint has."""

import json
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import GPT2Tokenizer

from jobs.editors.glide_net import TextEncoder
from jobs.editors.weights import hush
from jobs.tiny.parts import BYTES, seeded

WIDTH = 16
VOCABULARY = {word: index for index, word in enumerate([*BYTES, "<|endoftext|>"])}
TEXT = {"vocabulary": len(VOCABULARY), "context": 32, "width": WIDTH, "layers": 2, "heads": 2}


def stage(folder: Path, size: int, channels: int, widths: tuple[int, ...], seed: int) -> None:
    """Write network, noise schedule and text encoder of one stage into `folder`.

    `channels` is how many the network sees: a noisy picture, the known one and where it is known
    make seven; a smaller picture to enlarge makes ten.
    """
    down, up = (f"SimpleCrossAttn{way}Block2D" for way in ("Down", "Up"))
    with seeded(seed):
        unet = UNet2DConditionModel(
            sample_size=size,
            in_channels=channels,
            out_channels=6,  # noise and its variance
            cross_attention_dim=WIDTH,
            layers_per_block=1,
            block_out_channels=widths,
            norm_num_groups=4,
            attention_head_dim=8,
            down_block_types=("ResnetDownsampleBlock2D", *(down,) * (len(widths) - 1)),
            up_block_types=(*(up,) * (len(widths) - 1), "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            resnet_time_scale_shift="scale_shift",
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=WIDTH,
        )
        text = TextEncoder(**TEXT)
        for embedding in (text.position, text.padding):
            torch.nn.init.normal_(embedding, std=0.02)
    unet.save_pretrained(folder / "unet")
    DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", clip_sample=True
    ).save_pretrained(folder / "scheduler")
    (folder / "text").mkdir()
    (folder / "text" / "config.json").write_text(json.dumps(TEXT, indent=2) + "\n")
    save_file(text.state_dict(), folder / "text" / "model.safetensors")


def build(folder: Path) -> None:
    """Write the base stage and the tokenizer; no upsampler, which would cost most of the time."""
    top = folder / "glide-inpaint"
    hush()
    stage(top, 64, 7, (8, 16, 16, 16), seed=8)
    GPT2Tokenizer(vocab=VOCABULARY, merges=[]).save_pretrained(top / "tokenizer")
