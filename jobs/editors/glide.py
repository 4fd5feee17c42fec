"""GLIDE (filtered): a pixel-space model that edits at 64 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.editors import Editor, Painted, Settings
from pipeline.cards import Card

if TYPE_CHECKING:
    from jobs.editors import Mask, Pixels
    from jobs.editors.conditions import Encoded
    from jobs.editors.glide_net import Stage

CARD = Card(
    title="GLIDE",
    image="editor",
    gpu_gib=4,
    repos=("glide-inpaint",),
    licence="MIT",
    steps=100,
    guidance=5.0,
    pflop=0.07,
    fixed_size=True,
    note=(
        "No hub repository: `python -m jobs.editors.glide_convert` makes the folder out of the "
        "published files. It has unet/, scheduler/, text/, tokenizer/ and, for the step from 64 to "
        "256 pixels, the same again in upsampler/ (without it the edit is enlarged by "
        "interpolation). Pictures from text alone are edits of a blank under a full mask. Steps "
        "and guidance are those of the publication's notebooks (from memory). `pflop`: the "
        "published multiplications of both stages, at their own sizes."
    ),
)

#: Of the noise that the upsampler begins with, as published: a little less is less grainy.
TEMPERATURE = 0.997


def load(folder: Path, settings: Settings) -> Editor:
    """Read the tokenizer, the base stage and, where the folder has one, the upsampler."""
    from transformers import AutoTokenizer

    from jobs.editors.conditions import Encoded
    from jobs.editors.glide_net import Stage
    from jobs.editors.weights import folders, hush

    hush()
    (path,) = folders(folder, CARD)
    above = path / "upsampler"
    tokenizer = AutoTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
    stages = {"base": Stage.read(path, settings)}
    if above.is_dir():
        stages["upsampler"] = Stage.read(above, settings)

    def encode(prompt: str) -> dict[str, Any]:
        tokens = tokenizer(prompt.lower())["input_ids"]  # GLIDE has never seen capitals
        return {name: stage.text(tokens) for name, stage in stages.items()}

    return _Glide(settings, stages["base"], stages.get("upsampler"), Encoded(encode))


@dataclass(frozen=True, slots=True)
class _Glide:
    settings: Settings
    base: Stage
    upsampler: Stage | None
    condition: Encoded

    def inpaint(
        self,
        images: Sequence[Pixels],
        masks: Sequence[Mask],
        prompts: Sequence[str],
        seeds: Sequence[int],
    ) -> list[Painted]:
        """See `Editor`."""
        import torch

        from jobs.editors.glide_net import fast27, spaced
        from jobs.editors.pixels import one_size, pixels
        from jobs.editors.weights import draws

        size, generators = one_size(images), draws(seeds)
        told, free = self.condition(prompts), self.condition([""])
        steps = self.settings.pace(CARD)
        made = self.base.paint(
            states=torch.cat([told["base"], free["base"].expand_as(told["base"])]),
            **self._seen(self.base, images, masks),
            steps=spaced([steps], self.base.scheduler.config.num_train_timesteps),
            guidance=self.settings.scale(CARD),
            draws=generators,
        )
        if self.upsampler is not None:
            every = fast27(self.upsampler.scheduler.config.num_train_timesteps)
            made = self.upsampler.paint(
                states=told["upsampler"],
                **self._seen(self.upsampler, images, masks),
                steps=every if steps >= len(every) else every[:: -(-len(every) // steps)],
                guidance=None,
                draws=generators,
                smaller=made,
                temperature=TEMPERATURE,
            )
        values = (made.permute(0, 2, 3, 1).cpu().numpy() + 1) / 2
        last = self.upsampler or self.base
        return pixels(values, last.unet.config.sample_size, size)

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
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
