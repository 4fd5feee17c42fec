"""How a run behaves: one frozen model, read from one YAML file; unknown keys are errors.

*Who* a process is comes by argv, *how* it behaves from here, secrets from the environment. There is
no flag per field. `profiles/` beside this file holds the shipped configurations, sections.py the
keys below the top.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from pipeline import strict
from pipeline.documents import EditType
from pipeline.errors import ConfigError
from pipeline.sections import (
    Asking,
    Bases,
    Detector,
    Editing,
    Imported,
    Local,
    Metrics,
    Prices,
    ProtocolName,
    Quotas,
    Reals,
    RegionRules,
    Section,
    check_weights,
)

__all__ = [
    "PROFILES", "Asking", "Bases", "Config", "Detector", "Editing", "Imported", "Local",
    "Metrics", "Prices", "ProtocolName", "Quotas", "Reals", "RegionRules", "Section",
    "load", "parse", "read",
]  # fmt: skip
PROFILES = Path(__file__).parent / "profiles"


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
    metrics: Metrics = Metrics()
    prices: Prices = Prices()
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
        check_weights("turns", self.turns.values())
        check_weights("edit_types", self.edit_types.values())
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
        never = {"local", "metrics", "prices", "profile", "photos",
                 "detectors", "protocols", "holdouts", "replays"}  # fmt: skip
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
