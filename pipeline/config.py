"""How a run behaves: one frozen model, read from one YAML file; unknown keys are errors.

*Who* a process is comes by argv, *how* it behaves from here, secrets from the environment. There is
no flag per field. `profiles/` beside this file holds the shipped configurations.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline import strict
from pipeline.documents import EditType, Task
from pipeline.errors import ConfigError

PROFILES = Path(__file__).parent / "profiles"


def _device(name: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"{name!r} is no device: give cpu, cuda or one of several as cuda:0")
    return name


Device = Annotated[str, AfterValidator(_device)]
#: The protocols of pipeline/protocols.py, by name.
ProtocolName = Literal[
    "table2", "table3", "severity", "table4", "table5", "table6", "table7", "classifiers", "turns",
]  # fmt: skip


def _weights(name: str, weights: Collection[float]) -> None:
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
        _weights("categories", self.categories.values())
        _weights("area_weights", weights)
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


class Local(Section):
    """How the work is cut and spread; nothing here changes a single byte of the result."""

    partitions: int = Field(1, ge=1)
    workers: int | None = Field(None, ge=1)
    retries: int = Field(2, ge=0)
    logs: Literal["human", "json"] = "human"


class Config(Section):
    """A run. `protocols` are the tables to make, each with the detectors to make it of (none named
    = all that can); `holdouts` are groups of families that detectors must do without in training
    (tables 5 and 7); `replays` repaint the turns of a family by another editor (table 4).
    `imported` takes a published dataset in place of all that is painted."""

    profile: str = "custom"
    photos: str = ""
    seed: int = Field(30, ge=0, lt=2**63)
    samples: int = Field(60_000, ge=1, le=10**8)
    shard_size: int = Field(128, ge=1)
    val_share: float = Field(0.2, gt=0, lt=1)
    turns: dict[int, float] = {1: 1.0, 2: 4.0, 3: 5.0}
    edit_types: dict[EditType, float] = {"attribute": 1.0, "addition": 1.0, "removal": 1.0}
    families: dict[str, int] = Field(min_length=1)
    vlm: str = "rules"
    segmenter: str = "classical"
    keep_score: int = Field(3, ge=0, le=5)
    bases: Bases = Bases()
    regions: RegionRules = RegionRules()
    quotas: Quotas = Quotas()
    editing: Editing = Editing()
    asking: Asking = Asking()
    reals: Reals = Reals()
    detectors: dict[str, Detector] = {}
    protocols: dict[ProtocolName, tuple[str, ...]] = {"table2": (), "table6": ()}
    holdouts: tuple[tuple[str, ...], ...] = ()
    replays: dict[str, str] = {}
    imported: Imported | None = None
    local: Local = Local()

    @field_validator("families")
    @classmethod
    def _labels(cls, families: dict[str, int]) -> dict[str, int]:
        labels = list(families.values())
        if len(set(labels)) != len(labels) or not all(1 <= label <= 254 for label in labels):
            raise ValueError("each family needs a label of its own from 1 to 254")
        return families

    @model_validator(mode="after")
    def _ratios(self) -> Config:
        _weights("turns", self.turns.values())
        _weights("edit_types", self.edit_types.values())
        if not set(self.turns) <= {1, 2, 3}:
            raise ValueError("turns: the numbers of turns may be 1, 2 and 3")
        return self

    @model_validator(mode="after")
    def _known(self) -> Config:
        for group in self.holdouts:
            if not group or len(set(group)) < len(group) or set(group) >= set(self.families):
                raise ValueError(f"holdouts: {list(group)} must name some of the families, each "
                                 "once and not all")  # fmt: skip
        wanted = [("holdouts", family) for group in self.holdouts for family in group]
        wanted += [("replays", family) for family in self.replays.values()]
        for key, family in wanted:
            if family not in self.families:
                raise ValueError(f"{key}: {family!r} is none of the families "
                                 f"({', '.join(self.families)})")  # fmt: skip
        if twice := set(self.replays) & set(self.families):
            raise ValueError(f"replays: {min(twice)!r} is a family already")
        if self.replays and self.imported:
            raise ValueError("replays: an imported dataset has no turns to paint again: leave "
                             "replays out")  # fmt: skip
        for protocol, names in self.protocols.items():
            for name in names:
                if name not in self.detectors:
                    raise ValueError(f"protocols.{protocol}: no {name!r} under detectors")
        if self.samples + self.reals.total > 10**8:
            raise ValueError("samples and reals: keys have eight digits, so 100,000,000 in all")
        return self

    @property
    def shards(self) -> int:
        return -(-self.samples // self.shard_size)

    def keys(self, shard: int) -> list[str]:
        """The sample keys of a shard: eight digits, as in the released dataset."""
        first = shard * self.shard_size
        return [f"{i:08d}" for i in range(first, min(first + self.shard_size, self.samples))]

    @property
    def real_shards(self) -> int:
        return -(-self.reals.total // self.shard_size)

    def real_keys(self, shard: int) -> list[str]:
        """The keys of a shard of unedited photographs, which follow those of the samples."""
        first = shard * self.shard_size
        last = min(first + self.shard_size, self.reals.total)
        return [f"{self.samples + i:08d}" for i in range(first, last)]

    def digest(self, trained: Iterable[tuple[str, str]] = (), keys: Collection[str] = ()) -> str:
        """Of everything that can change a result of a stage that depends on the `trained` pairs of
        detector and task and on `keys` of the config (see `Stage`); without any, of the dataset. So
        the detectors may change without making the dataset another one."""
        never = {"local", "profile", "photos", "detectors", "protocols", "holdouts", "replays"}
        sections = {
            f"{name}-{task}": self.detectors[name].model_dump(
                mode="json", exclude={"tasks", "checkpoint_every"}
            )
            for name, task in trained
        }
        known = {**self.model_dump(mode="json", exclude=never - set(keys)), "trained": sections}
        if (imported := known.pop("imported")) is not None:
            known["imported"] = imported["dataset"]  # wherever it lies
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(name: str) -> Config:
    """A shipped profile by name, or a YAML file by path."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.exists():
        known = ", ".join(sorted(found.stem for found in PROFILES.glob("*.yaml")))
        raise ConfigError(f"no profile {name!r}: give one of {known}, or the path of a YAML file")
    return read(path)


def read(path: Path) -> Config:
    """The config in a YAML file. Raises FileNotFoundError, or a `ConfigError` as `parse` does."""
    return parse(strict.text(path), str(path))


def parse(text: str, where: str) -> Config:
    """Raises a `ConfigError` that names the file, the key and the nearest valid one."""
    data = strict.mapping(text, where)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {strict.sentence(error, Config)}") from error
