"""Clone stamp: fills the region with a shifted copy of the picture. The editors' CPU stand-in.

No weights, no torch: a real classical retouching tool, used where the machinery is tested and
diffusion is beside the point. Text is ignored, except that it moves the shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.editors import Editor, Painted, Settings
from pipeline.cards import Card
from pipeline.seeds import rng

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

CARD = Card(title="clone stamp", image="base", steps=1, guidance=0.0, note="classical, no model")


class Clone:
    """Implements `jobs.editors.Editor`."""

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        import numpy as np

        from jobs.editors.pixels import one_size

        side = one_size(images)
        found: list[Painted] = []
        for image, prompt, number in zip(images, prompts, seeds, strict=True):
            shift = rng(number, prompt).integers(side // 4, 3 * side // 4, size=2)
            moved = np.roll(image, (int(shift[0]), int(shift[1])), axis=(0, 1))
            found.append(Painted(moved))
        return found

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        """Smooth coloured clouds: noise at 8 x 8, enlarged."""
        import numpy as np
        from PIL import Image

        found: list[Painted] = []
        for prompt, number in zip(prompts, seeds, strict=True):
            small = rng(number, prompt).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            clouds = Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)
            found.append(Painted(np.asarray(clouds)))
        return found


def load(folder: Path, settings: Settings) -> Editor:
    return Clone()
