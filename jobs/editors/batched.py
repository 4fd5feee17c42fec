"""An editor around a pair of library pipelines that take whole batches by keyword."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.editors import Painted, Settings
from jobs.editors.autoencoder import watched, with_retry
from jobs.editors.pixels import blank, one_size, pictures, pixels, rounded, stencils
from jobs.editors.weights import draws
from pipeline.cards import Card

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

#: From prompts to the keyword arguments that carry them.
Condition = Callable[[Sequence[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class BatchedEditor:
    """`pipe` holds the parts; `painter` repaints, `maker` makes whole pictures, or if it is None
    the painter does, on a blank. Both are called like a pipeline."""

    card: Card
    settings: Settings
    pipe: Any
    painter: Any
    maker: Any
    condition: Condition

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        """See `Editor`."""
        size = one_size(images)
        working = rounded(size, self.card.size_multiple)

        def paint(rows: Sequence[int]) -> list[Painted]:
            how = self._common([prompts[i] for i in rows], [seeds[i] for i in rows], working)
            how["image"] = pictures([images[i] for i in rows], working)
            how["mask_image"] = stencils([masks[i] for i in rows], working)
            return self._run(self.painter, how | {"strength": 1.0}, size)

        return with_retry(paint, len(images), self.pipe)

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        """See `Editor`."""
        if self.maker is None:
            return self.inpaint(*blank(len(prompts), size), prompts, seeds)
        working = rounded(size, self.card.size_multiple)

        def paint(rows: Sequence[int]) -> list[Painted]:
            how = self._common([prompts[i] for i in rows], [seeds[i] for i in rows], working)
            how["guidance_scale"] = self.settings.scale(self.card, whole=True)
            return self._run(self.maker, how, size)

        return with_retry(paint, len(prompts), self.pipe)

    def _common(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> dict[str, Any]:
        return {
            **self.condition(prompts),
            "height": size,
            "width": size,
            "num_inference_steps": self.settings.pace(self.card),
            "guidance_scale": self.settings.scale(self.card),
            "generator": draws(seeds),
            "output_type": "np",
        }

    def _run(self, pipe: Any, how: dict[str, Any], size: int) -> list[Painted]:
        return run(pipe, how, size, self.pipe)


def run(pipe: Any, how: dict[str, Any], size: int, parts: Any) -> list[Painted]:
    """Call `pipe`, whose autoencoder is a part of `parts`: pictures of `size` pixels, each as
    finite as it was before any clamp and as harmless as the pipeline's own checker found it."""
    seen = watched(parts)
    if seen:
        seen.reset()
    with warnings.catch_warnings():
        # The Euler schedule calls np.array on a tensor, and torch has no `copy` keyword there yet.
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy")
        result = pipe(**how)
    made = pixels(result.images, how["height"], size, seen.finite if seen else ())
    flags = getattr(result, "nsfw_content_detected", None) or [False] * len(made)
    return [
        Painted(None, "safety-filtered") if flag else one
        for one, flag in zip(made, flags, strict=True)
    ]
