"""The JSON documents that lie in shards, and the fixed lists of words they use.

Immutable, and an unknown key is an error. `pipeline/records.py` says which dataset has which.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

EditType = Literal["attribute", "addition", "removal"]
Split = Literal["train", "val"]
FilterReason = Literal["low-score", "no-turns"]
QuarantineReason = Literal[
    "missing-file", "unreadable-image", "truncated-image", "image-too-large", "image-too-small",
    "no-regions", "empty-mask", "nan-latents", "constant-image", "noop-edit",
    "outside-mask", "safety-filtered", "wrong-size",
    "unparsable-proposal", "unparsable-prompt", "unparsable-score",
]  # fmt: skip
Reason = FilterReason | QuarantineReason
#: Declined on purpose: the record is kept apart. Every other reason is a quarantine.
FILTERED: frozenset[str] = frozenset({"low-score", "no-turns"})


class Doc(BaseModel):
    """A JSON document: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Doc):
    """Where a sample comes from. `source_id` is the group by which train and val are split: all
    samples of one photograph, its caption included, lie on one side. `crop` is (left, top, right,
    bottom) in pixels of the photograph as displayed (EXIF applied); `objects` names the planes of
    `instances`, in order; `author` and `url` are whom and what to credit, "" if unknown."""

    source_id: str
    split: Split
    base: Literal["real", "ai"]
    family: str = ""
    caption: str = ""
    file: str = ""
    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: str = ""
    jpeg_quality: int | None = None
    licence: str = ""
    author: str = ""
    url: str = ""
    objects: tuple[NamedObject, ...] = ()
    notes: tuple[str, ...] = ()


class NamedObject(Doc):
    """A thing in the picture and the taxonomy category it counts under."""

    name: str
    category: str = "other"


class Score(Doc):
    """0 (very unnatural) to 5 (natural); paper, appendix B. `control` is the score of the unedited
    base picture by the same question, None if there is none."""

    score: int
    reason: str = ""
    raw: str = ""
    control: int | None = None


class Objects(Doc):
    """What the VLM saw, people first, larger first; `raw` is its reply. `control` is its score of
    the same picture, which nobody has edited yet."""

    objects: tuple[NamedObject, ...]
    raw: str = ""
    control: Score | None = None


class MaskQuality(Doc):
    """How sound a mask looks: its pieces, the holes in them, the IoU that its own model predicts
    for it, and the IoU of the detector's box with the box around the mask; None = no such model."""

    components: int
    holes: int
    predicted_iou: float | None = None
    box_agreement: float | None = None


class Region(Doc):
    """A plane of `masks`: `area` is its share of the picture, `box` (left, top, right, bottom),
    `score` the detector's."""

    name: str
    category: str
    area: float
    box: tuple[int, int, int, int]
    origin: Literal["annotation", "segmenter"]
    score: float | None = None
    quality: MaskQuality | None = None


class Regions(Doc):
    """`notes`: which objects could not be looked for as they are named, and why."""

    regions: tuple[Region, ...]
    duplicates: int = 0
    notes: tuple[str, ...] = ()


class Turn(Doc):
    """One planned turn: which region, by whom, and what kind of edit."""

    region: int
    family: str
    edit: EditType


class Plan(Doc):
    turns: tuple[Turn, ...]


class Prompt(Doc):
    """One text per pass: an addition is removal, then addition."""

    texts: tuple[str, ...]
    target: str = ""
    raw: str = ""


class Edit(Doc):
    """One turn as it was really painted. `seeds`: one per pass. `changed`: share of mask pixels.
    `notes`: what had to be done otherwise than planned, such as `vae-float32` or `batch-of-1`."""

    turn: int
    region: int
    family: str
    label: int
    edit: EditType
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    guidance: float
    composite: Literal["paste", "full"]
    changed: float
    area: float
    model: str
    notes: tuple[str, ...] = ()


class History(Doc):
    edits: tuple[Edit, ...] = ()


class Sample(Doc):
    """All that is known about one finished sample; lies beside its picture in the dataset."""

    source: Source
    regions: tuple[Region, ...]
    planned: int
    edits: tuple[Edit, ...]
    score: Score


class Credit(Doc):
    """A photograph and how many samples of the dataset were made from it."""

    file: str
    licence: str = ""
    author: str = ""
    url: str = ""
    samples: int


class Share(Doc):
    """How far one kind of a quota got: `target` is its wished share, `planned` how often the plan
    drew it, `deficit` how many draws of the plan it is behind (below zero: ahead), and `kept` how
    often it is in train and val, where turns that failed and filtered samples are gone."""

    quota: str
    kind: str
    target: float
    planned: int
    deficit: float
    kept: int


class IndexFacts(Doc):
    """The dataset, committed: `digest` is over the ordered shard digests of the splits.

    `labels` are the families' values in the label maps; `weights` "tiny" means that they painted
    noise. `declined` counts by reason the planned samples that are in neither train nor val.
    `config` is all that the dataset was made with, its defaults filled in, `balance` how far the
    plan's quotas were reached.
    """

    digest: str
    shards: dict[str, tuple[str, ...]]
    samples: dict[str, int]
    profile: str
    weights: Literal["tiny", "local"]
    labels: dict[str, int]
    planned: int
    declined: dict[str, int]
    sources: tuple[Credit, ...]
    config: dict[str, JsonValue]
    balance: tuple[Share, ...] = ()


class Curve(Doc):
    """One training run: `loss[i]` is the mean loss of optimiser step i + 1."""

    detector: str
    task: Literal["binary", "semantic"]
    encoder: str
    classes: int
    size: int
    resampler: str
    steps: int
    batch: int
    processes: int
    samples: int
    loss: tuple[float, ...]
    seconds: float


class Metrics(Doc):
    """Scores of one detector on one split (training/metrics.py has the definitions)."""

    detector: str
    task: Literal["binary", "semantic"]
    split: Split
    size: int
    samples: int
    accuracy: float
    accuracy_foreground: float
    miou: float
    bf1: float
    bf1_tolerance_px: int
    iou: dict[str, float | None]
    edited_pixel_fraction: float
    confusion: tuple[tuple[int, ...], ...]
