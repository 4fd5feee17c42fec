"""Flux.1 dev: one checkpoint repaints (blending latents) and makes whole pictures."""

from pathlib import Path

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

CARD = Card(
    title="Flux.1",
    image="editor",
    gpu_gib=40,
    repos=("black-forest-labs/FLUX.1-dev",),
    files=PIPELINE,
    licence="FLUX.1-dev-Non-Commercial",
    gated=True,
    size_multiple=16,
    steps=50,
    guidance=7.0,
    base_guidance=3.5,
    pflop=3.74,
    note=(
        "Non-commercial weights. Guidance is distilled: one pass of the network a step. Both "
        "guidances are the defaults of diffusers' two Flux pipelines; the steps are those of the "
        "checkpoint's page on the hub (from memory; the pipelines' default is 28). Published in "
        "bfloat16. `pflop`: from the layers' sizes, one pass a step."
    ),
)


def load(folder: Path, settings: Settings) -> Editor:
    """Read the checkpoint once; both pipelines hold the same parts."""
    from diffusers import FluxInpaintPipeline, FluxPipeline

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import prompted
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    (path,) = folders(folder, CARD)
    maker = ready(FluxPipeline.from_pretrained(path, **reading(settings)), settings)
    painter = ready(FluxInpaintPipeline(**maker.components), settings)
    names = ("prompt_embeds", "pooled_prompt_embeds", "")  # the last is made anew by each call
    condition = prompted(maker, names, prompt_2=None, device=settings.device)
    return BatchedEditor(CARD, settings, maker, painter, maker, condition)
