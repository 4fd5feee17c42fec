"""GroundingDINO boxes, SAM masks (paper 3.1, stage 1; Ren et al. 2024, "Grounded SAM")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.segmenters import Found, Seen, Segmenter
from jobs.segmenters.phrases import asked
from pipeline.cards import Card
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.held import held
from pipeline.records import ToSegment

if TYPE_CHECKING:
    from jobs.segmenters.detector import Detector
    from jobs.segmenters.masker import Masker

CARD = Card(
    title="GroundingDINO base + SAM ViT-H",
    image="editor",
    gpu_gib=16,
    repos=("IDEA-Research/grounding-dino-base", "facebook/sam-vit-huge"),
    pflop=0.0083,
    fixed_size=True,
    note=(
        "Both by the transformers library, from safetensors; the original packages of "
        "GroundingDINO do not work beside diffusers, and publish pickles. `pflop`: published "
        "multiplications at the sizes that they scale every picture to."
    ),
)


@dataclass(frozen=True, slots=True)
class GroundedSam:
    """Implements `jobs.segmenters.Segmenter`."""

    detector: Detector
    masker: Masker
    model: str

    def segment(self, items: Sequence[ToSegment]) -> list[Seen]:
        """A picture's masks in the order of its objects, of one object the best box first."""
        pictures = [item.image for item in items]
        wanted = [asked(item.objects.objects) for item in items]
        hits = self.detector.detect(pictures, [one.phrases for one in wanted])
        masks = self.masker.masks(pictures, [[hit.box for hit in some] for some in hits])
        answers = []
        for item, ask, some, cut in zip(items, wanted, hits, masks, strict=True):
            found = [
                (ask.owners[hit.phrase],
                 Found(item.objects.objects[ask.owners[hit.phrase]], mask, hit.score, hit.box, iou))
                for hit, (mask, iou) in zip(some, cut, strict=True)
            ]  # fmt: skip
            found.sort(key=lambda pair: pair[0])
            answers.append(Seen([one for _, one in found], ask.notes))
        return answers


def _root(config: Config) -> Path:
    """Where the weights lie; tiny ones are built there."""
    root = Path(config.editing.folder).expanduser()
    if config.editing.weights == "tiny":
        from jobs.tiny.cache import ensure

        return ensure("grounded_sam", root)
    for path, repo in zip(CARD.folders(root), CARD.repos, strict=True):
        if not path.is_dir():
            raise ConfigError(f"{CARD.title} has no weights at {path}: download {repo} into that "
                              "folder, or choose another segmenter")  # fmt: skip
    return root


def load(config: Config) -> Segmenter:
    """Read both checkpoints: this disk only, safetensors only, float32 (see `Detector.dtype`)."""
    import torch
    from transformers import (
        AutoTokenizer,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        SamImageProcessor,
        SamModel,
    )
    from transformers.utils import logging

    from jobs.segmenters.detector import Detector
    from jobs.segmenters.masker import Masker

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    how = config.editing
    reading = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
    # Refuses what is not locked, before it is read.
    with held(CARD.folders(_root(config))) as (checked, model):
        folders = CARD.folders(checked)
        finder, cutter = (
            kind.from_pretrained(path, **reading).eval().requires_grad_(False).to(how.device)
            for kind, path in zip((GroundingDinoForObjectDetection, SamModel), folders, strict=True)
        )
        boxes, cuts, words = (
            kind.from_pretrained(path, local_files_only=True)
            for kind, path in zip(
                (GroundingDinoImageProcessor, SamImageProcessor, AutoTokenizer),
                (*folders, folders[0]),
                strict=True,
            )
        )
    dtype: torch.dtype = getattr(torch, how.dtype)
    detector = Detector(finder, boxes, words, config.regions, how.device, dtype, how.batch)
    masker = Masker(cutter, cuts, how.device, dtype, how.batch)
    return GroundedSam(detector, masker, model)
