"""The pictures of a sample, by a name from a short list: the bytes of a file, or None.

Nothing of an address becomes part of a path: a name says which committed dataset is read.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline import codecs
from pipeline.dag import slug
from pipeline.documents import Edit, Sample
from pipeline.errors import NotReady
from pipeline.shards import RunFolder, join
from training.browse_index import Entry, Index
from training.predict_found import EDITED
from training.report_pictures import TRACED, colour, outline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Bools = NDArray[np.bool_]

NAMES = re.compile(r"final|base|mask|turn-\d|prediction-\d{1,3}")
THUMB, THUMBS = 288, 2048


@dataclass(frozen=True, slots=True)
class Traced:
    """The outline of a region as an SVG path in a box of `width` x `height`; no text in it."""

    path: str
    width: int
    height: int
    colour: str


class Pictures:
    """Reads from the run folder, verifying each member against its digest."""

    def __init__(self, run: RunFolder, index: Index) -> None:
        self.run, self.index = run, index
        self._thumb = lru_cache(maxsize=THUMBS)(self._thumbnail)

    def sample(self, entry: Entry) -> Sample | None:
        """What is known of it; None of a photograph that nobody edited."""
        raw = self._raw(entry.dataset, entry, "sample.json")
        return None if raw is None else Sample.model_validate_json(raw)

    def file(self, entry: Entry, name: str) -> bytes | None:
        """A PNG: `final`, `base`, `mask`, `turn-<n>` (the picture after it), `prediction-<i>`."""
        if name == "final":
            return self._raw(entry.dataset, entry, "image.png")
        if name == "mask":
            raw = self._raw(entry.dataset, entry, "mask.png")
            return None if raw is None else _coloured(codecs.decode("LabelMap", raw), False)
        kind, _, number = name.rpartition("-")
        if kind == "prediction":
            return self._prediction(entry, int(number))
        sample = self.sample(entry)
        if sample is None:
            return None
        if name == "base":
            family = sample.source.family
            made = f"generate-{slug(family)}" if sample.source.base == "ai" else "ingest"
            return self._raw(made, entry, "image.png")
        return self._after(entry, sample, int(number))

    def thumb(self, entry: Entry) -> bytes | None:
        """The finished picture as a small JPEG."""
        return self._thumb(entry)

    def outlines(self, entry: Entry, sample: Sample) -> list[Traced]:
        """The region that each edit painted; where the run has no regions, what is left of it."""
        import numpy as np

        strip = self._raw("segment", entry, "masks.png")
        if strip is not None:
            planes = codecs.decode("Masks", strip)
            regions = [planes[edit.region] for edit in sample.edits]
        else:
            turns = self._raw(entry.dataset, entry, "turns.png")
            if turns is None:
                return []
            numbers = codecs.decode("LabelMap", turns)
            regions = [np.asarray(numbers == edit.turn) for edit in sample.edits]
        return [_traced(region, edit) for region, edit in zip(regions, sample.edits, strict=True)]

    def predicted(self, entry: Entry) -> list[tuple[int, str]]:
        """Number and name of the evaluations that kept a map of this sample."""
        return [
            (number, stage.removeprefix("evaluate-"))
            for number, stage in enumerate(self.index.predictions)
            if self._has(stage, 0, entry.key, "prediction.png")
        ]

    def _after(self, entry: Entry, sample: Sample, turn: int) -> bytes | None:
        edit = next((edit for edit in sample.edits if edit.turn == turn), None)
        if edit is None:
            return None
        found = self._raw(f"edit-{turn}-{slug(edit.family)}", entry, "image.png")
        if found is None and edit is sample.edits[-1]:
            found = self.file(entry, "final")
        return found

    def _prediction(self, entry: Entry, number: int) -> bytes | None:
        stages = list(self.index.predictions.items())
        if number >= len(stages):
            return None
        stage, binary = stages[number]
        raw = self._member(stage, 0, entry.key, "prediction.png")
        return None if raw is None else _coloured(codecs.decode("LabelMap", raw), binary)

    def _thumbnail(self, entry: Entry) -> bytes | None:
        from PIL import Image

        raw = self.file(entry, "final")
        if raw is None:
            return None
        picture = Image.fromarray(codecs.decode("Photo", raw))
        picture.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=88)
        return out.getvalue()

    def _raw(self, dataset: str, entry: Entry, member: str) -> bytes | None:
        return self._member(dataset, entry.shard, entry.key, member)

    def _member(self, dataset: str, shard: int, key: str, member: str) -> bytes | None:
        try:
            row = join(self.run, (dataset,), shard).rows.get(key)
        except NotReady:
            return None
        return None if row is None else row.raw(member)

    def _has(self, dataset: str, shard: int, key: str, member: str) -> bool:
        members = self.run.manifest(dataset, shard).records.get(key, ())
        return any(one.name == member for one in members)


def _traced(region: Bools, edit: Edit) -> Traced:
    path, height = outline(region)
    step = max(1, -(-max(region.shape) // TRACED))
    return Traced(path, -(-region.shape[1] // step), height, colour(edit.label))


def _coloured(labels: Bytes, binary: bool) -> bytes:
    """A label map as a PNG in the palette; the untouched is transparent."""
    from PIL import Image

    picture = Image.fromarray(labels).convert("P")
    shown = [colour(label) if not binary else EDITED for label in range(1, 256)]
    picture.putpalette([0, 0, 0, *(value for one in shown for value in bytes.fromhex(one[1:]))])
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=0)
    return out.getvalue()
