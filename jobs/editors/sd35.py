"""Stable Diffusion 3.5: one checkpoint repaints (blending latents) and makes whole pictures."""

from pathlib import Path

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

CARD = Card(
    title="SD3.5",
    image="editor",
    gpu_gib=24,
    repos=("stabilityai/stable-diffusion-3.5-medium",),
    files=PIPELINE,
    licence="Stability-Community",
    gated=True,
    size_multiple=16,
    steps=40,
    guidance=4.5,
    pflop=0.92,
    note=(
        "The licence limits commercial use; accept it on the hub before downloading. Steps and "
        "guidance are those of the medium checkpoint's page on the hub (from memory); the defaults "
        "of diffusers' pipelines (28 steps, for edits 50, and 7.0) are Stable Diffusion 3's. The "
        "scheduler is the checkpoint's own. `pflop`: from the layers' sizes, two passes a step."
    ),
)


def load(folder: Path, settings: Settings) -> Editor:
    """Read the checkpoint once; both pipelines hold the same parts."""
    from diffusers import StableDiffusion3InpaintPipeline, StableDiffusion3Pipeline

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import POOLED, prompted
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    (path,) = folders(folder, CARD)
    maker = StableDiffusion3Pipeline.from_pretrained(path, **reading(settings))
    maker = ready(maker, settings)
    painter = ready(StableDiffusion3InpaintPipeline(**maker.components), settings)
    every = {"prompt_2": None, "prompt_3": None, "device": settings.device}
    condition = prompted(maker, POOLED, **every)
    return BatchedEditor(CARD, settings, maker, painter, maker, condition)
