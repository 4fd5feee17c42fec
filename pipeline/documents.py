"""The JSON documents that lie in shards, and the fixed lists of words they use.

Immutable, and an unknown key is an error. `pipeline/records.py` says which dataset has which.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

EditType = Literal["attribute", "addition", "removal"]
Split = Literal["train", "val"]
#: What a detector tells: edited or not and by whom of each pixel, or edited or not of the picture.
Task = Literal["binary", "semantic", "image"]
FilterReason = Literal["low-score", "no-turns"]
QuarantineReason = Literal[
    "missing-file", "unreadable-image", "truncated-image", "image-too-large", "image-too-small",
    "no-regions", "empty-mask", "nan-latents", "constant-image", "noop-edit",
    "outside-mask", "safety-filtered", "wrong-size",
    "unparsable-proposal", "unparsable-prompt", "unparsable-score", "unusable-mask",
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
    `instances`, in order; `author` and `url` are whom and what to credit, "" if unknown. What an
    imported sample was painted on is not known."""

    source_id: str
    split: Split
    base: Literal["real", "ai", "unknown"]
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


class Real(Doc):
    """A photograph that nobody edits: "unedited" ones are trained on with an empty mask, "negative"
    ones are the other class of detectors of whole pictures."""

    source: Source
    part: Literal["unedited", "negative"]


class NamedObject(Doc):
    """A thing in the picture and the taxonomy category it counts under."""

    name: str
    category: str = "other"


class Score(Doc):
    """0 (very unnatural) to 5 (natural), -1 = nobody was asked; paper, appendix B. `control` is the
    score of the unedited base picture by the same question, None if there is none."""

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
    origin: Literal["annotation", "segmenter", "imported"]
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
    `notes`: what had to be done otherwise than planned, such as `vae-float32` or `batch-of-1`; of
    an imported sample, of which only the label map is known, what is not known."""

    turn: int
    region: int
    family: str
    label: int
    edit: EditType | Literal["unknown"]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    guidance: float
    composite: Literal["paste", "full", "unknown"]
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
    """A photograph and how many pictures of the dataset were made from it."""

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
    `reals` counts by part and split the photographs beside the samples that nobody edited.
    `config` is all that the dataset was made with, its defaults filled in, `balance` how far the
    plan's quotas were reached.
    """

    digest: str
    shards: dict[str, tuple[str, ...]]
    samples: dict[str, int]
    reals: dict[str, int] = {}
    profile: str
    weights: Literal["tiny", "local"]
    labels: dict[str, int]
    planned: int
    declined: dict[str, int]
    sources: tuple[Credit, ...]
    config: dict[str, JsonValue]
    balance: tuple[Share, ...] = ()


class Check(Doc):
    """What a detector scored on the dev slice after `step` steps (mIoU, or balanced accuracy of the
    image task), which is cut from train by source."""

    step: int
    score: float


class Curve(Doc):
    """One training run: `loss[i]` is the mean loss of optimiser step i + 1. The model that is kept
    is that of `best_step`, by `checks`; without a dev slice, the last one.

    `recipe` is what was used, resolved: all of training/recipes.py as JSON. `labels` are the mask
    values of the classes, in class order. `seconds` is wall time, `waited` the part of it in which
    no batch was ready; `device` says what computed.
    """

    detector: str
    task: Task
    subset: str = "all"
    encoder: str
    classes: int
    labels: dict[str, int]
    size: int
    resampler: str
    recipe: dict[str, JsonValue]
    steps: int
    batch: int
    processes: int
    samples: int
    loss: tuple[float, ...]
    checks: tuple[Check, ...] = ()
    best_step: int
    seconds: float
    waited: float = 0.0
    device: str = "cpu"


class Figure(Doc):
    """A score and its 95 % interval, by resampling pictures; None where there is nothing to score
    or nothing to resample."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Metrics(Doc):
    """Scores of one detector on one set of pictures in one `condition` of a protocol
    (pipeline/protocols.py); training/metrics.py has the definitions. `subset` is what it was
    trained on, `size` the side at which it was scored, in pixels."""

    protocol: str
    condition: str
    detector: str
    task: Task
    subset: str
    split: Split
    size: int
    samples: int
    figures: dict[str, Figure]
    iou: dict[str, float | None] = {}
    confusion: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()


class Scores(Doc):
    """All that one evaluation committed."""

    rows: tuple[Metrics, ...]
