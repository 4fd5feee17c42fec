"""Stable Diffusion XL: the base checkpoint (as in the paper) or an inpainting one."""

from pathlib import Path

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

CARD = Card(
    title="SDXL",
    image="editor",
    gpu_gib=16,
    repos=("stabilityai/stable-diffusion-xl-base-1.0",),
    files=PIPELINE,
    licence="CreativeML-OpenRAIL++-M",
    size_multiple=8,
    steps=50,
    guidance=7.5,
    base_guidance=5.0,
    pflop=0.62,
    note=(
        "The base UNet repaints by blending latents, so that its LoRA adapters fit; an inpainting "
        "checkpoint (nine input channels) put into the same folder works as well. Steps and both "
        "guidances are the defaults of diffusers' two SDXL pipelines; the scheduler is the "
        "checkpoint's own. The autoencoder overflows in float16 and stays in float32. `pflop`: the "
        "UNet's published multiplications, two passes a step."
    ),
)


def load(folder: Path, settings: Settings) -> Editor:
    """Read the checkpoint once; both pipelines hold the same parts."""
    from diffusers import StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import POOLED, prompted
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    (path,) = folders(folder, CARD)
    painter = StableDiffusionXLInpaintPipeline.from_pretrained(
        path, add_watermarker=False, **reading(settings, "vae")
    )
    painter = ready(painter, settings)
    maker = None
    if painter.unet.config.in_channels == painter.vae.config.latent_channels:
        maker = StableDiffusionXLPipeline(**painter.components, add_watermarker=False)
        maker = ready(maker, settings)
    condition = prompted(painter, POOLED, device=settings.device)
    return BatchedEditor(CARD, settings, painter, painter, maker, condition)
