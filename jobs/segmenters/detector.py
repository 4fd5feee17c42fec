"""GroundingDINO: boxes around what a phrase names (paper 3.1, stage 1).

A picture's phrases are asked together, in as few texts as the network reads; pictures and texts
make one batch. Which phrase a box belongs to is read from the scores of the phrase's own tokens,
not from a decoded label, so that it is always one of those asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from jobs.faults import in_batches
from jobs.segmenters import Box
from jobs.segmenters.phrases import packed, spans, text
from pipeline.config import RegionRules

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Hit:
    """A box in pixels, the number of the phrase that it belongs to, and its score, 0 to 1."""

    phrase: int
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Detector:
    """`dtype` is that of the matrix products; positions and scores stay in float32, since in
    bfloat16 a box is off by pixels."""

    model: Any
    images: Any
    tokenizer: Any
    rules: RegionRules
    device: str
    dtype: torch.dtype
    batch: int

    def detect(
        self, pictures: Sequence[NDArray[np.uint8]], phrases: Sequence[Sequence[str]]
    ) -> list[list[Hit]]:
        """For each of `pictures`, (H, W, 3), at most `rules.max_boxes` hits, the best first."""
        rows = [(i, group) for i, asked in enumerate(phrases) for group in self._groups(asked)]
        found: list[list[Hit]] = [[] for _ in pictures]
        if not rows:
            return found
        # All rows are tokenized at once: a smaller batch then has the same shape but for its rows.
        tokens = self.tokenizer(
            [text([phrases[i][n] for n in group]) for i, group in rows],
            padding=True, return_tensors="pt", return_token_type_ids=True,
        )  # fmt: skip

        def run(some: range) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
            return self._forward(
                [pictures[rows[r][0]] for r in some],
                {name: value[some[0] : some[-1] + 1] for name, value in tokens.items()},
            )

        dot = self.tokenizer.convert_tokens_to_ids(".")
        for r, (scores, boxes) in enumerate(in_batches(run, len(rows), self.batch)):
            i, group = rows[r]
            where = spans(tokens["input_ids"][r].tolist(), dot)
            hits = matched(scores, boxes, where, pictures[i].shape[:2], self.rules)
            found[i] += [Hit(group[hit.phrase], hit.score, hit.box) for hit in hits]
        return [sorted(hits, key=lambda hit: -hit.score)[: self.rules.max_boxes] for hits in found]

    def _groups(self, phrases: Sequence[str]) -> list[range]:
        if not phrases:
            return []
        tokens = self.tokenizer(list(phrases), add_special_tokens=False)["input_ids"]
        return packed([len(one) for one in tokens], self.model.config.max_text_len)

    @torch.inference_mode()
    def _forward(
        self, pictures: Sequence[NDArray[np.uint8]], tokens: dict[str, torch.Tensor]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """A row's token scores (queries, tokens) and boxes (queries, 4): centre and size, 0..1."""
        pixels = self.images([Image.fromarray(one) for one in pictures], return_tensors="pt")
        inputs = {name: value.to(self.device) for name, value in (pixels | tokens).items()}
        kind = torch.device(self.device).type
        with torch.autocast(kind, self.dtype, enabled=self.dtype != torch.float32):
            out = self.model(**inputs)
        scores, boxes = out.logits.float().sigmoid().cpu(), out.pred_boxes.float().cpu()
        return list(zip(scores.numpy(), boxes.numpy(), strict=True))


def matched(
    scores: NDArray[np.float32], boxes: NDArray[np.float32], where: Sequence[tuple[int, int]],
    size: tuple[int, int], rules: RegionRules,
) -> list[Hit]:  # fmt: skip
    """The hits of one row: boxes whose best token is above `box_threshold`, each given to the
    phrase of which the largest part is above `text_threshold`. NaN is above nothing."""
    words = np.zeros((len(scores), len(where)), np.float32)
    best = np.zeros_like(words)
    for n, (begin, end) in enumerate(where):
        own = scores[:, begin:end]
        if end > begin:
            words[:, n] = np.where(own > rules.text_threshold, own, 0).mean(1)
            best[:, n] = own.max(1)
    phrase = words.argmax(1)
    rows = np.arange(len(scores))
    score = best[rows, phrase]
    height, width = size
    centre, half = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64) / 2
    corners = np.concatenate([centre - half, centre + half], 1) * [width, height, width, height]
    corners = corners.clip(0, [width, height, width, height])
    wide = (corners[:, 2:] - corners[:, :2]).min(1)
    good = (words[rows, phrase] > 0) & (score > rules.box_threshold) & (wide >= 1)
    return [
        Hit(int(phrase[q]), float(score[q]), tuple(corners[q].tolist()))
        for q in np.flatnonzero(good)
    ]
