"""Every record: a dataclass is a dataset's columns, a field is a tar member, its type is the codec.

Sample `00000012` of a dataset `Edited` lies in the shard's tar as `00000012.image.png` and
`00000012.history.json`: JSON documents (pipeline/documents.py) and arrays. First the columns that
each stage writes (`gives`), then those that it reads (`takes`). Types of arrays and files:

    Photo     (H, W, 3) uint8 RGB, square            -> .png
    Masks     (N, H, W) bool, may overlap            -> .png, a strip of N one-bit squares
    LabelMap  (H, W)    uint8                        -> .png, 8-bit grey
    Weights   a safetensors file, as bytes           -> .safetensors
    Page      an HTML file, as str                   -> .html
    Text      a Markdown file, as str                -> .md
    Table     a parquet file, as bytes               -> .parquet
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pipeline.documents import (
    Curve,
    History,
    IndexFacts,
    Objects,
    Plan,
    Prompt,
    Real,
    Reason,
    Regions,
    Sample,
    Score,
    Scores,
    Source,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Photo: TypeAlias = NDArray[np.uint8]
    Masks: TypeAlias = NDArray[np.bool_]
    LabelMap: TypeAlias = NDArray[np.uint8]
    Weights: TypeAlias = bytes
    Page: TypeAlias = str
    Text: TypeAlias = str
    Table: TypeAlias = bytes

Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Reject(Generic[Out]):
    """A sample we decline, as a value. A filtered one keeps its record, apart from the dataset."""

    reason: Reason
    detail: str = ""
    record: Out | None = None


# --- columns: what each stage writes -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sourced:
    source: Source
    image: Photo | None = None
    instances: Masks | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    image: Photo


@dataclass(frozen=True, slots=True)
class Proposed:
    objects: Objects


@dataclass(frozen=True, slots=True)
class Segmented:
    masks: Masks
    regions: Regions


@dataclass(frozen=True, slots=True)
class Planned:
    plan: Plan


@dataclass(frozen=True, slots=True)
class Prompted:
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Edited:
    image: Photo
    history: History


@dataclass(frozen=True, slots=True)
class Scored:
    score: Score


@dataclass(frozen=True, slots=True)
class Assembled:
    """As in the released dataset: `NNNNNNNN.image.png`, `NNNNNNNN.mask.png` (0 = untouched, else
    the label of the last painter); `turns` holds the turn that painted the pixel, 0 = none."""

    image: Photo
    mask: LabelMap
    turns: LabelMap
    sample: Sample


@dataclass(frozen=True, slots=True)
class Unedited:
    """As `Assembled`, by the same encoder; the mask is empty."""

    image: Photo
    mask: LabelMap
    real: Real


@dataclass(frozen=True, slots=True)
class Indexed:
    index: IndexFacts
    edits: Table


@dataclass(frozen=True, slots=True)
class Trained:
    """`model` is that of the curve's `best_step`, `last` that of its last step if it is another."""

    model: Weights
    curve: Curve
    last: Weights | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Under key `scores` the scores, under each sample's key its predicted label map (of table 2
    alone, at the network's size)."""

    scores: Scores | None = None
    prediction: LabelMap | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """One report twice: `page` with pictures, `text` with the tables, notes and provenance."""

    page: Page
    text: Text


# --- columns: what each stage reads ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FromSource:
    key: str
    source: Source


@dataclass(frozen=True, slots=True)
class ToPropose:
    key: str
    source: Source
    image: Photo


@dataclass(frozen=True, slots=True)
class ToSegment:
    key: str
    source: Source
    image: Photo
    objects: Objects
    instances: Masks | None = None


@dataclass(frozen=True, slots=True)
class ToPlan:
    key: str
    source: Source
    regions: Regions


@dataclass(frozen=True, slots=True)
class ToPrompt:
    key: str
    image: Photo
    masks: Masks
    regions: Regions
    plan: Plan


@dataclass(frozen=True, slots=True)
class ToEdit:
    key: str
    image: Photo
    masks: Masks
    regions: Regions
    plan: Plan
    prompt: Prompt
    history: History | None = None


@dataclass(frozen=True, slots=True)
class ToScore:
    key: str
    image: Photo
    masks: Masks
    plan: Plan
    history: History | None = None
    objects: Objects | None = None


@dataclass(frozen=True, slots=True)
class ToAssemble:
    key: str
    source: Source
    image: Photo
    masks: Masks
    regions: Regions
    plan: Plan
    score: Score
    history: History | None = None


@dataclass(frozen=True, slots=True)
class ToReplay:
    """`image` and `history` are those before the turn; `sample` has the turn as it was painted."""

    key: str
    image: Photo
    masks: Masks
    sample: Sample
    history: History | None = None


@dataclass(frozen=True, slots=True)
class ToTrain:
    key: str
    image: Photo
    mask: LabelMap
    sample: Sample | None = None
    real: Real | None = None


@dataclass(frozen=True, slots=True)
class ToEvaluate:
    key: str
    image: Photo
    mask: LabelMap
    model: Weights
    curve: Curve
    sample: Sample | None = None
    real: Real | None = None


@dataclass(frozen=True, slots=True)
class ToReport:
    key: str
    image: Photo
    mask: LabelMap
    sample: Sample
    scores: Scores | None = None
    prediction: LabelMap | None = None
