"""How a run behaves: one frozen model, read from one YAML file; unknown keys are errors.

*Who* a process is comes by argv, *how* it behaves from here, secrets from the environment. There is
no flag per field. `profiles/` beside this file holds the shipped configurations.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.documents import EditType
from pipeline.errors import ConfigError

PROFILES = Path(__file__).parent / "profiles"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bases(Section):
    """Base pictures: photographs, and the share made by a random family from a caption."""

    resolution: int = Field(1024, ge=32, le=4096, multiple_of=8)
    crops: Literal["centre", "random"] = "centre"
    ai_share: float = Field(0.5, ge=0, le=1)
    min_side: int = Field(64, ge=1)
    max_pixels: int = Field(64_000_000, ge=1)
    annotations: bool = True


class RegionRules(Section):
    """Which masks may be edited (paper 3.1: duplicates above 70 % IoU are dropped)."""

    max_regions: int = Field(8, ge=1, le=64)
    min_area: float = Field(0.005, ge=0, le=1)
    max_area: float = Field(0.7, ge=0, le=1)
    duplicate_iou: float = Field(0.7, ge=0, le=1)


class Editing(Section):
    """`steps` and `guidance`: null means what the family's card says."""

    weights: Literal["tiny", "local"] = "local"
    folder: str = "~/.cache/palimpsest/models"
    device: str = "cuda"
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    steps: int | None = Field(None, ge=1)
    guidance: float | None = Field(None, ge=0)
    batch: int = Field(4, ge=1)
    composite: Literal["paste", "full"] = "paste"
    min_changed: float = Field(0.05, ge=0, le=1)


class Detector(Section):
    """How one detector is trained; `size` is the network's input in pixels."""

    encoder: str = "resnet50"
    pretrained: bool = True
    size: int = Field(512, ge=32, multiple_of=16)
    tasks: tuple[Literal["binary", "semantic"], ...] = ("binary", "semantic")
    steps: int = Field(30_000, ge=1)
    batch: int = Field(16, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    checkpoint_every: int = Field(1000, ge=1)
    processes: int = Field(1, ge=1)
    device: str = "cuda"


class Local(Section):
    """How the work is cut and spread; nothing here changes a single byte of the result."""

    partitions: int = Field(1, ge=1)
    workers: int | None = Field(None, ge=1)
    retries: int = Field(2, ge=0)


class Config(Section):
    profile: str = "custom"
    photos: str = ""
    seed: int = Field(30, ge=0)
    samples: int = Field(60_000, ge=1)
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
    editing: Editing = Editing()
    detectors: dict[str, Detector] = {}
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
        for name, weights in (("turns", self.turns), ("edit_types", self.edit_types)):
            if not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
                raise ValueError(f"{name}: needs weights of zero or more with a positive sum")
        if not set(self.turns) <= {1, 2, 3}:
            raise ValueError("turns: the numbers of turns may be 1, 2 and 3")
        return self

    @property
    def shards(self) -> int:
        return -(-self.samples // self.shard_size)

    def keys(self, shard: int) -> list[str]:
        """The sample keys of a shard: eight digits, as in the released dataset."""
        first = shard * self.shard_size
        return [f"{i:08d}" for i in range(first, min(first + self.shard_size, self.samples))]

    def digest(self) -> str:
        """Of everything that can change a result."""
        text = json.dumps(
            self.model_dump(mode="json", exclude={"local", "profile", "photos"}), sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


class _Loader(yaml.SafeLoader):
    """YAML in which a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = [key for i, key in enumerate(seen) if key in seen[:i]]
        if doubled:
            line = node.start_mark.line + 1
            raise ConfigError(f"key {doubled[0]!r} stands twice in the mapping at line {line}")
        return super().construct_mapping(node, deep)


def load(name: str) -> Config:
    """A shipped profile by name, or a YAML file by path."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in PROFILES.glob("*.yaml")))
        raise ConfigError(f"no profile {name!r}: give one of {known}, or the path of a YAML file")
    return parse(path.read_text(), str(path))


def parse(text: str, where: str) -> Config:
    """Raises a `ConfigError` that names the file, the key and the nearest valid one."""
    try:
        data = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(data).__name__}")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']}" if key else first["msg"]
    valid = _valid_keys(path[:-1])
    near = difflib.get_close_matches(path[-1], valid, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"valid keys here: {', '.join(sorted(valid))}"
    return f"unknown key {key!r}; {hint}"


def _valid_keys(path: list[str]) -> list[str]:
    """The keys that may stand in the section at `path`."""
    if path[:1] == ["detectors"]:
        return list(Detector.model_fields)
    section = Config.model_fields[path[0]].annotation if path else Config
    return list(section.model_fields if isinstance(section, type(Section)) else Config.model_fields)
