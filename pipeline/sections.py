"""The sections of a run's config: what each key means, its default and its bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.documents import Task


def _device(name: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"{name!r} is no device: give cpu, cuda or one of several as cuda:0")
    return name


Device = Annotated[str, AfterValidator(_device)]
#: The protocols of pipeline/protocols.py, by name.
ProtocolName = Literal[
    "table2", "table3", "severity", "table4", "table5", "table6", "table7", "classifiers", "turns",
]  # fmt: skip


def check_weights(name: str, weights: Collection[float]) -> None:
    if not weights or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise ValueError(f"{name}: needs weights of zero or more with a positive sum")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bases(Section):
    """Base pictures: photographs, and the share made by a random family from a caption."""

    resolution: int = Field(1024, ge=32, le=4096, multiple_of=8)
    crops: Literal["centre", "random"] = "centre"
    ai_share: float = Field(0.5, ge=0, le=1)
    min_side: int = Field(64, ge=1)
    max_pixels: int = Field(64_000_000, ge=1)
    annotations: bool = True


class RegionRules(Section):
    """Which masks may be edited (paper 3.1: duplicates above 70 % IoU are dropped).

    The thresholds are a detector's, over which a box counts and a word of a phrase supports it; the
    paper gives none, these are GroundingDINO's own. `max_boxes` are masked at most, the best first.
    """

    box_threshold: float = Field(0.35, ge=0, le=1)
    text_threshold: float = Field(0.25, ge=0, le=1)
    max_boxes: int = Field(32, ge=1, le=900)
    max_regions: int = Field(8, ge=1, le=64)
    min_area: float = Field(0.005, ge=0, le=1)
    max_area: float = Field(0.7, ge=0, le=1)
    duplicate_iou: float = Field(0.7, ge=0, le=1)

    @model_validator(mode="after")
    def _span(self) -> RegionRules:
        if self.min_area >= self.max_area:
            raise ValueError(f"min_area {self.min_area} must be below max_area {self.max_area}")
        return self


class Quotas(Section):
    """Target shares, as weights, of what the plan chooses to paint over. Areas are in bins: the
    first is below the first of `area_bounds` (shares of the picture), the last above the last."""

    categories: dict[str, float] = {
        "food": 1.0, "vehicles": 1.0, "furniture": 1.0, "nature scenery": 1.0,
        "animals": 1.0, "humans": 1.0, "signs": 1.0, "other": 1.0,
    }  # fmt: skip
    area_bounds: tuple[float, ...] = (0.03, 0.08, 0.2)
    area_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _bins(self) -> Quotas:
        bounds, weights = self.area_bounds, self.area_weights
        if list(bounds) != sorted(set(bounds)) or not all(0 < bound < 1 for bound in bounds):
            raise ValueError("area_bounds: must rise, each above 0 and below 1")
        if len(weights) != len(bounds) + 1:
            raise ValueError(f"area_weights: {len(weights)} are given, but {len(bounds)} "
                             f"area_bounds make {len(bounds) + 1} bins")  # fmt: skip
        check_weights("categories", self.categories.values())
        check_weights("area_weights", weights)
        return self


class Editing(Section):
    """`steps` and `guidance`: null means what the family's card says."""

    weights: Literal["tiny", "local"] = "local"
    folder: str = "~/.cache/palimpsest/models"
    device: Device = "cuda"
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    steps: int | None = Field(None, ge=1)
    guidance: float | None = Field(None, ge=0)
    batch: int = Field(4, ge=1)
    composite: Literal["paste", "full"] = "paste"
    min_changed: float = Field(0.05, ge=0, le=1)


class Asking(Section):
    """How the vision-language model is asked; `editing` says where its weights lie and which device
    runs them. Pictures are shown with a longer side of `side` pixels at most; `temperature` is that
    of the wording of prompts; `control` scores the unedited base pictures, too."""

    batch: int = Field(8, ge=1)
    max_objects: int = Field(8, ge=1, le=16)
    side: int = Field(1024, ge=28)
    temperature: float = Field(0.7, ge=0, le=2)
    control: bool = True


class Reals(Section):
    """Photographs that nobody edits, beside the samples and from other photographs: `unedited` are
    trained on with an empty mask (5,000 in the paper), `negatives` are the other class of detectors
    of whole pictures, in both splits (30,000 in the paper)."""

    unedited: int = Field(0, ge=0, le=10**7)
    negatives: int = Field(0, ge=0, le=10**7)

    @property
    def total(self) -> int:
        return self.unedited + self.negatives


class Imported(Section):
    """A published dataset whose samples are taken as they are, instead of painted. `path` is its
    archive, or a folder of archives; `families` name the values of its masks."""

    dataset: Literal["diffseg30k"]
    path: str = ""


class Detector(Section):
    """How one detector is trained: by a `recipe` of its own file, which says all that is null here.
    `size` is the network's input in pixels, `batch` is shared by all `processes`. `pretrained`
    starts from the encoder's published weights, which lie where `editing.folder` says."""

    recipe: str = "paper"
    encoder: str | None = None
    pretrained: bool = True
    size: int = Field(512, ge=32, multiple_of=16)
    tasks: tuple[Task, ...] = Field(("binary", "semantic"), min_length=1)
    steps: int | None = Field(None, ge=1)
    batch: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)
    checkpoint_every: int = Field(1000, ge=1)
    validate_every: int | None = Field(None, ge=1)
    processes: int = Field(1, ge=1)
    device: Device = "cuda"
    dtype: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _shares(self) -> Detector:
        if self.batch and self.batch % self.processes:
            raise ValueError(f"batch {self.batch} cannot be shared equally by {self.processes} "
                             "processes: change one of them")  # fmt: skip
        if self.dtype == "bfloat16" and self.device == "cpu":
            raise ValueError("dtype bfloat16 is tens of times slower than float32 on most CPUs: "
                             "set dtype: float32, or device: cuda")  # fmt: skip
        return self


class Metrics(Section):
    """How long a pod serves its metrics after its work, for one last scrape: the interval at which
    Prometheus scrapes. Locally nothing waits."""

    linger_seconds: float = Field(15.0, ge=0, le=300)


class Prices(Section):
    """What an hour of a device costs, null where nobody knows; for `palimpsest cost` and the
    report."""

    gpu_hour: float | None = Field(None, ge=0)
    cpu_hour: float | None = Field(None, ge=0)
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")


class Local(Section):
    """How the work is cut and spread; nothing here changes a single byte of the result."""

    partitions: int = Field(1, ge=1)
    workers: int | None = Field(None, ge=1)
    retries: int = Field(2, ge=0)
    logs: Literal["human", "json"] = "human"
