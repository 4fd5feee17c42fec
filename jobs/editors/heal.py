"""Healing brush: smooth fill from the region's rim, with grain. A second CPU stand-in.

Relaxes toward the solution of Laplace's equation inside the mask, then adds seeded
grain.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.editors import Editor, Painted, Settings
from jobs.editors.clone import Clone
from pipeline.cards import Card
from pipeline.seeds import rng

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels

CARD = Card(title="healing brush", image="base", steps=1, guidance=0.0, note="classical, no model")
SWEEPS = 60


class Heal(Clone):
    """Implements `jobs.editors.Editor`."""

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        from jobs.editors.pixels import one_size

        one_size(images)
        return [
            Painted(_heal(image, mask, rng(number, prompt).normal(0, 6, image.shape)))
            for image, mask, prompt, number in zip(images, masks, prompts, seeds, strict=True)
        ]


def _heal(image: Pixels, mask: Mask, grain: object) -> Pixels:
    import numpy as np

    found = image.astype(np.float32)
    found[mask] = found[~mask].mean(axis=0) if (~mask).any() else 128.0
    for _ in range(SWEEPS):
        padded = np.pad(found, ((1, 1), (1, 1), (0, 0)), mode="edge")
        around = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
        found[mask] = around[mask]
    healed: Pixels = (found + np.asarray(grain)).clip(0, 255).astype(np.uint8)
    return healed


def load(folder: Path, settings: Settings) -> Editor:
    return Heal()
