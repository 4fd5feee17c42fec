"""Kandinsky 2.2: a prior turns text into an image embedding, a decoder paints from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.editors import Editor, Painted, Settings
from pipeline.cards import PIPELINE, Card

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

CARD = Card(
    title="Kandinsky 2.2",
    image="editor",
    gpu_gib=16,
    repos=(
        "kandinsky-community/kandinsky-2-2-prior",
        "kandinsky-community/kandinsky-2-2-decoder-inpaint",
        "kandinsky-community/kandinsky-2-2-decoder",
    ),
    files=PIPELINE,
    licence="Apache-2.0",
    size_multiple=64,
    steps=100,
    guidance=4.0,
    pflop=0.74,
    note=(
        "Samples of a batch run one by one: the library's inpainting reads only the first mask. "
        "Steps and guidance, of the prior too, are the defaults of diffusers' Kandinsky 2.2 "
        "pipelines. `pflop`: the UNet's published multiplications, two passes a step."
    ),
)

#: Steps of the prior as published. A run with fewer decoder steps takes no more for the prior, but
#: never less than two: its schedule divides by one less.
PRIOR_STEPS = 25


def load(folder: Path, settings: Settings) -> Editor:
    """Read the prior and both decoders, which share the image autoencoder."""
    from diffusers import (
        KandinskyV22InpaintPipeline,
        KandinskyV22Pipeline,
        KandinskyV22PriorPipeline,
    )

    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    prior_path, inpaint_path, base_path = folders(folder, CARD)
    how = reading(settings)
    prior = KandinskyV22PriorPipeline.from_pretrained(prior_path, **how)
    painter = KandinskyV22InpaintPipeline.from_pretrained(inpaint_path, **how)
    maker = KandinskyV22Pipeline.from_pretrained(base_path, movq=painter.movq, **how)
    return _Kandinsky(
        settings, ready(prior, settings), ready(painter, settings), ready(maker, settings)
    )


@dataclass(frozen=True, slots=True)
class _Kandinsky:
    settings: Settings
    prior: Any
    painter: Any
    maker: Any

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        """See `Editor`."""
        from jobs.editors.autoencoder import with_retry
        from jobs.editors.batched import run
        from jobs.editors.pixels import one_size, pictures, rounded, stencils

        size = one_size(images)
        working = rounded(size, CARD.size_multiple)

        # KandinskyV22InpaintPipeline blends `image[:1]` under `mask_image[:1]`: the first sample's
        # photograph would appear in every other one, so each sample has a call of its own.
        def paint(rows: Sequence[int]) -> list[Painted]:
            made: list[Painted] = []
            for i in rows:
                how = self._common(prompts[i], seeds[i], working)
                how["image"] = pictures([images[i]], working)
                how["mask_image"] = stencils([masks[i]], working)
                made += run(self.painter, how, size, self.painter)
            return made

        return with_retry(paint, len(images), self.painter)

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        """See `Editor`."""
        from jobs.editors.autoencoder import with_retry
        from jobs.editors.batched import run
        from jobs.editors.pixels import rounded

        working = rounded(size, CARD.size_multiple)

        def paint(rows: Sequence[int]) -> list[Painted]:
            made: list[Painted] = []
            for i in rows:
                how = self._common(prompts[i], seeds[i], working, whole=True)
                made += run(self.maker, how, size, self.maker)
            return made

        return with_retry(paint, len(prompts), self.maker)

    def _common(self, prompt: str, seed: int, size: int, *, whole: bool = False) -> dict[str, Any]:
        from jobs.editors.weights import draws

        (draw,) = draws([seed])
        steps, scale = self.settings.pace(CARD), self.settings.scale(CARD, whole=whole)
        told = self.prior(
            prompt,
            generator=draw,
            num_inference_steps=max(2, min(steps, PRIOR_STEPS)),
            guidance_scale=scale,
        )
        return {
            "image_embeds": told.image_embeds,
            "negative_image_embeds": told.negative_image_embeds,
            "height": size,
            "width": size,
            "num_inference_steps": steps,
            "guidance_scale": scale,
            "generator": draw,
            "output_type": "np",
        }
