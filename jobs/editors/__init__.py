"""The diffusion families: one file each, with a CARD and a load().

`load(folder, settings)` returns an `Editor`. Heavy imports sit inside `load()`, so that the DAG can
read the cards of all families without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipeline.cards import Card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
    Mask = NDArray[np.bool_]  # (H, W), True = repaint

#: What a family can say of a sample instead of a picture; each is a reason to decline it.
Fault = Literal["nan-latents", "safety-filtered", "wrong-size"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run an editor: `None` means what the family's card says."""

    device: str = "cpu"
    dtype: str = "float32"
    steps: int | None = None
    guidance: float | None = None

    def pace(self, card: Card) -> int:
        """Denoising steps."""
        return self.steps or card.steps

    def scale(self, card: Card, *, whole: bool = False) -> float:
        """Guidance, of an edit or of a `whole` picture from text alone."""
        if self.guidance is not None:
            return self.guidance
        if whole and card.base_guidance is not None:
            return card.base_guidance
        return card.guidance


@dataclass(frozen=True, slots=True)
class Painted:
    """One sample as it came out of a family: `pixels`, or without them the `fault`.

    `notes` say what had to be done otherwise than planned (`vae-float32`, `batch-of-1`).
    """

    pixels: Pixels | None
    fault: Fault | None = None
    notes: tuple[str, ...] = ()


class Editor(Protocol):
    """What a loaded family can do. Both calls are batched and pure in (inputs, seeds).

    They return one `Painted` a sample, in order; whether it counts is for jobs/editors/gates.py.
    """

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        """Repaint `masks` of square `images` of one size; the same size back, *not* pasted back."""
        ...

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        """Square pictures of `size` pixels from text alone, one seed a sample."""
        ...


class Family(Protocol):
    """The shape of a family's module."""

    def load(self, folder: Path, settings: Settings) -> Editor:
        """Read the weights below `folder` (hub layout) and return an editor in eval mode."""
        ...


def at(editor: Editor, steps: int, guidance: float) -> Editor:
    """`editor` with its networks as they are, but asked for these steps and this guidance. One
    without `settings`, such as a classical tool, knows neither."""
    known: Any = editor
    if not hasattr(known, "settings"):
        return editor
    settings = replace(known.settings, steps=steps, guidance=guidance)
    changed: Editor = replace(known, settings=settings)
    return changed
