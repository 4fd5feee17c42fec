"""An editor around a pair of library pipelines that take whole batches by keyword."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.editors import Settings
from jobs.editors.pixels import blank, one_size, pictures, pixels, rounded, stencils
from jobs.editors.weights import draws
from pipeline.cards import Card

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

#: From prompts to the keyword arguments that carry them.
Condition = Callable[[Sequence[str]], dict[str, Any]]


def as_text(prompts: Sequence[str]) -> dict[str, Any]:
    """The pipeline encodes the prompts itself."""
    return {"prompt": list(prompts)}


@dataclass(frozen=True, slots=True)
class BatchedEditor:
    """`painter` repaints, `maker` makes whole pictures; `None` = the painter does, on a blank."""

    card: Card
    settings: Settings
    painter: Any
    maker: Any
    condition: Condition = as_text

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Pixels | None]:
        """See `Editor`."""
        size = one_size(images)
        working = rounded(size, self.card.size_multiple)
        made = _run(
            self.painter,
            **self._common(prompts, seeds, working),
            image=pictures(images, working),
            mask_image=stencils(masks, working),
            strength=1.0,
        )
        return pixels(made, size)

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], size: int
    ) -> list[Pixels | None]:
        """See `Editor`."""
        if self.maker is None:
            return self.inpaint(*blank(len(prompts), size), prompts, seeds)
        working = rounded(size, self.card.size_multiple)
        return pixels(_run(self.maker, **self._common(prompts, seeds, working)), size)

    def _common(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> dict[str, Any]:
        return {
            **self.condition(prompts),
            "height": size,
            "width": size,
            "num_inference_steps": self.settings.steps or self.card.steps,
            "guidance_scale": (
                self.card.guidance if self.settings.guidance is None else self.settings.guidance
            ),
            "generator": draws(seeds),
            "output_type": "np",
        }


def _run(pipe: Any, **how: Any) -> Any:
    with warnings.catch_warnings():
        # The Euler schedule calls np.array on a tensor, and torch has no `copy` keyword there yet.
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy")
        return pipe(**how).images
