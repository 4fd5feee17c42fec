"""Kolors: an SDXL UNet that listens to ChatGLM.

The library has no inpainting class for it. Kolors differs from SDXL only in its text encoder, so
the prompts are encoded by the Kolors pipeline and the rest is SDXL inpainting.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

CARD = Card(
    title="Kolors",
    image="editor",
    gpu_gib=24,
    repos=("Kwai-Kolors/Kolors-diffusers",),
    files=PIPELINE,
    licence="Kolors (weights: academic use free, commercial use on registration)",
    size_multiple=8,
    steps=50,
    guidance=5.0,
    pflop=0.62,
    note=(
        "Repaints by blending latents; an inpainting UNet of nine channels works as well. Steps "
        "and guidance are the defaults of diffusers' KolorsPipeline: the library has none for "
        "edits. The scheduler is the checkpoint's own. `pflop`: SDXL's, whose UNet it has."
    ),
)

#: How many tokens of a prompt ChatGLM reads; the checkpoint was trained with this number.
MAX_TOKENS = 256


def library() -> Any:
    """The library's Kolors package, imported without the warning that its import makes.

    ChatGLM compiles a function by `torch.jit.script`, which torch deprecates; only the library can
    change that.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
        importlib.import_module("diffusers.pipelines.kolors.text_encoder")
    return importlib.import_module("diffusers.pipelines.kolors")


def load(folder: Path, settings: Settings) -> Editor:
    """Read the checkpoint once; the inpainting pipeline borrows its UNet, VAE and scheduler."""
    from diffusers import StableDiffusionXLInpaintPipeline

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import POOLED, prompted
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    (path,) = folders(folder, CARD)
    kolors = library().KolorsPipeline.from_pretrained(path, **reading(settings, "vae"))
    kolors = ready(kolors, settings)
    painter = StableDiffusionXLInpaintPipeline(
        vae=kolors.vae,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=kolors.unet,
        scheduler=kolors.scheduler,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )

    how = {"device": settings.device, "max_sequence_length": MAX_TOKENS}
    condition = prompted(kolors, POOLED, **how)
    base = kolors.unet.config.in_channels == kolors.vae.config.latent_channels
    maker = kolors if base else None
    return BatchedEditor(CARD, settings, kolors, ready(painter, settings), maker, condition)
