"""GLIDE (filtered): a pixel-space model that edits at 64 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.editors import Editor, Settings
from pipeline.cards import Card

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels
    from jobs.editors.glide_net import Stage

CARD = Card(
    title="GLIDE",
    image="editor",
    gpu_gib=4,
    repos=("glide-inpaint",),
    licence="MIT",
    steps=100,
    guidance=5.0,
    note=(
        "No hub repository: the published checkpoint must be converted into a folder with unet/, "
        "scheduler/, text/, tokenizer/ and, for the step from 64 to 256 pixels, the same again in "
        "upsampler/ (without it the edit is enlarged by interpolation). Pictures from text alone "
        "are edits of a blank under a full mask."
    ),
)

#: Even steps of the upsampler, where the published sampler takes 27 uneven ones.
UPSAMPLER_STEPS = 27


def load(folder: Path, settings: Settings) -> Editor:
    """Read the tokenizer, the base stage and, where the folder has one, the upsampler."""
    from transformers import AutoTokenizer

    from jobs.editors.glide_net import Stage
    from jobs.editors.weights import folders, hush

    hush()
    (path,) = folders(folder, CARD)
    above = path / "upsampler"
    return _Glide(
        settings,
        AutoTokenizer.from_pretrained(path / "tokenizer", local_files_only=True),
        Stage.read(path, settings),
        Stage.read(above, settings) if above.is_dir() else None,
    )


@dataclass(frozen=True, slots=True)
class _Glide:
    settings: Settings
    tokenizer: Any
    base: Stage
    upsampler: Stage | None

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Pixels | None]:
        """See `Editor`."""
        from jobs.editors.pixels import one_size, pixels
        from jobs.editors.weights import draws

        size = one_size(images)
        tokens = [self.tokenizer(prompt)["input_ids"] for prompt in prompts]
        how: dict[str, Any] = {"tokens": tokens, "draws": draws(seeds)}
        made = self.base.paint(
            **how,
            **self._seen(self.base, images, masks),
            steps=self.settings.steps or CARD.steps,
            guidance=CARD.guidance if self.settings.guidance is None else self.settings.guidance,
        )
        if self.upsampler is not None:
            made = self.upsampler.paint(
                **how,
                **self._seen(self.upsampler, images, masks),
                steps=min(self.settings.steps or CARD.steps, UPSAMPLER_STEPS),
                guidance=1.0,
                smaller=made,
            )
        return pixels((made.float().permute(0, 2, 3, 1).cpu().numpy() + 1) / 2, size)

    def generate(
        self, prompts: Sequence[str], seeds: Sequence[int], size: int
    ) -> list[Pixels | None]:
        """See `Editor`."""
        from jobs.editors.pixels import blank

        return self.inpaint(*blank(len(prompts), size), prompts, seeds)

    def _seen(
        self, stage: Stage, images: Sequence[Pixels], masks: Sequence[Mask]
    ) -> dict[str, Any]:
        """Photographs and masks at the size of a stage."""
        import numpy as np
        import torch

        from jobs.editors.pixels import pictures, stencils

        size = stage.unet.config.sample_size
        colours = torch.from_numpy(np.stack([np.asarray(p) for p in pictures(images, size)]))
        holes = torch.from_numpy(np.stack([np.asarray(s) > 0 for s in stencils(masks, size)]))
        return {
            "photographs": colours.permute(0, 3, 1, 2).to(self.settings.device) / 127.5 - 1,
            "repaint": holes[:, None],
        }
