"""SAM: one mask for each box. A picture is encoded once, however many boxes it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from jobs.faults import in_batches
from jobs.segmenters import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    #: (H, W) bool, and the IoU that SAM predicts for it, which it does not keep between 0 and 1.
    Mask = tuple[NDArray[np.bool_], float]
    #: A picture's embedding, its size and its size as encoded, each of one row.
    Encoded = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

#: Boxes of one picture that are decoded together: each costs a map of the picture's size.
BOXES = 32


@dataclass(frozen=True, slots=True)
class Masker:
    """`dtype` is that of the matrix products; masks are cut from float32."""

    model: Any
    images: Any
    device: str
    dtype: torch.dtype
    batch: int

    def masks(
        self, pictures: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[Box]]
    ) -> list[list[Mask]]:
        """A mask for each box of each of `pictures`, (H, W, 3)."""
        wanted = [i for i, some in enumerate(boxes) if some]

        def encode(rows: range) -> list[Encoded]:
            return self._encode([pictures[wanted[r]] for r in rows])

        found: list[list[Mask]] = [[] for _ in pictures]
        for i, picture in zip(wanted, in_batches(encode, len(wanted), self.batch), strict=True):
            found[i] = self._cut(picture, boxes[i])
        return found

    def _cut(self, picture: Encoded, boxes: Sequence[Box]) -> list[Mask]:
        def decode(rows: range) -> list[Mask]:
            return self._decode(picture, [boxes[r] for r in rows])

        return in_batches(decode, len(boxes), BOXES)

    def _autocast(self) -> torch.autocast:
        kind = torch.device(self.device).type
        return torch.autocast(kind, self.dtype, enabled=self.dtype != torch.float32)

    @torch.inference_mode()
    def _encode(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Encoded]:
        inputs = self.images([Image.fromarray(one) for one in pictures], return_tensors="pt")
        with self._autocast():
            embeddings = self.model.get_image_embeddings(inputs["pixel_values"].to(self.device))
        parts = (embeddings, inputs["original_sizes"], inputs["reshaped_input_sizes"])
        return list(zip(*(part.split(1) for part in parts), strict=True))

    @torch.inference_mode()
    def _decode(self, picture: Encoded, boxes: Sequence[Box]) -> list[Mask]:
        embedding, original, encoded = picture
        scale = (encoded / original).flip(1).repeat(1, 2)  # (height, width) -> x, y, x, y
        prompts = (torch.tensor(boxes) * scale)[None].to(self.device)
        with self._autocast():
            out = self.model(image_embeddings=embedding, input_boxes=prompts,
                             multimask_output=False)  # fmt: skip
        (masks,) = self.images.post_process_masks(out.pred_masks.float(), original, encoded)
        ious = out.iou_scores.float()[0, :, 0].tolist()
        return list(zip(masks[:, 0].cpu().numpy(), ious, strict=True))
