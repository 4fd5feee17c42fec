"""SDXL distilled to eight steps by Hyper-SD's LoRA: the paper's test condition (table 4).

A variant for replaying chains, not a ninth class: where it stands in for SDXL, the label stays
SDXL's. Sampled as its authors do, by DDIM with trailing steps and without guidance.
"""

from pathlib import Path

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

#: The one file that is read of the adapter's repository.
ADAPTER = "Hyper-SDXL-8steps-lora.safetensors"
CARD = Card(
    title="SDXL with Hyper-SD's LoRA",
    image="editor",
    gpu_gib=16,
    repos=("stabilityai/stable-diffusion-xl-base-1.0", "ByteDance/Hyper-SD"),
    files=(*PIPELINE, ADAPTER),
    licence="CreativeML-OpenRAIL++-M",
    size_multiple=8,
    steps=8,
    guidance=0.0,
    pflop=0.07,
    note=(
        "The adapter is made for the base UNet of four channels. Steps, the "
        "scheduler and no guidance are as its authors use it (from memory; their adapter for "
        "guidance is another file). `pflop`: as SDXL's, one pass a step."
    ),
)


def load(folder: Path, settings: Settings) -> Editor:
    """Read the base checkpoint and melt the adapter into its UNet."""
    from diffusers import (
        DDIMScheduler,
        StableDiffusionXLInpaintPipeline,
        StableDiffusionXLPipeline,
    )

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import POOLED, prompted
    from jobs.editors.weights import folders, hush, reading, ready
    from pipeline.errors import ConfigError

    hush()
    base, adapters = folders(folder, CARD)
    if not (adapters / ADAPTER).is_file():
        raise ConfigError(f"{CARD.title} has no {ADAPTER} in {adapters}: download it there")
    maker = StableDiffusionXLPipeline.from_pretrained(
        base, add_watermarker=False, **reading(settings, "vae")
    )
    if maker.unet.config.in_channels != maker.vae.config.latent_channels:
        raise ConfigError(
            f"{base} is an inpainting checkpoint, for which {CARD.title} is not made: put "
            f"{CARD.repos[0]} there"
        )
    maker.load_lora_weights(adapters, weight_name=ADAPTER, local_files_only=True)
    maker.fuse_lora()
    maker.unload_lora_weights()
    maker.scheduler = DDIMScheduler.from_config(maker.scheduler.config, timestep_spacing="trailing")
    maker = ready(maker, settings)
    painter = StableDiffusionXLInpaintPipeline(**maker.components, add_watermarker=False)
    condition = prompted(maker, POOLED, device=settings.device)
    return BatchedEditor(CARD, settings, maker, ready(painter, settings), maker, condition)
