"""How a detector is trained: the published hyperparameters, and those that we would use.

Each detector's file has its own `RECIPES`; what a config says of a detector stands above them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.config import Detector
from pipeline.errors import ConfigError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to train one detector, over the global batch of all processes.

    `learning_rate` follows `schedule`: "poly" falls with `power` to `floor` over `steps`,
    "constant" stays, "plateau" is divided by ten whenever `patience` validations brought nothing,
    and ends below `floor`. `warmup` steps rise to it from `warmup_from`. `encoder_share` is the
    pretrained part's share of it. `momentum` is SGD's, or Adam's first beta. `loss_sum`: summed
    over pixels instead of their mean. `decay_all` False spares biases and norms from
    `weight_decay`; `bias_share` is the share of the rate for biases (Caffe's habit is 2).
    `mean` and `std` normalise RGB of 0..1; `bgr` turns the channels round and keeps 0..255.

    Pictures: scaled at random within `scale`, cut to `crop` px (None = as they come), flipped if
    `flip`; `blur` and `jpeg` are probabilities. `load` resizes to so many pixels first (image
    task), None = the config's `size`.

    `clip` bounds the gradient's norm, `ema` is the decay of the averaged weights. `source` says
    where the figures come from.
    """

    source: str
    encoder: str
    learning_rate: float
    steps: int
    batch: int
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    decay_all: bool = True
    bias_share: float = 1.0
    schedule: Literal["poly", "constant", "plateau"] = "poly"
    power: float = 0.9
    floor: float = 0.0
    patience: int = 5
    warmup: int = 0
    warmup_from: float = 0.0
    encoder_share: float = 1.0
    loss_sum: bool = False
    clip: float | None = None
    ema: float | None = None
    scale: tuple[float, float] | None = None
    crop: int | None = None
    load: int | None = None
    flip: bool = True
    blur: float = 0.0
    jpeg: float = 0.0
    validate_every: int = 1000
    mean: tuple[float, float, float] = IMAGENET[0]
    std: tuple[float, float, float] = IMAGENET[1]
    bgr: bool = False


def resolve(name: str, section: Detector, recipes: Mapping[str, Recipe]) -> Recipe:
    """The recipe that `section` names, with what it overrides; a ConfigError names those there are.
    Neither crop nor load is larger than the pictures of the config."""
    if section.recipe not in recipes:
        known = ", ".join(sorted(recipes))
        raise ConfigError(f"detectors.{name}.recipe: {section.recipe!r} is none of its recipes "
                          f"({known})")  # fmt: skip
    found = recipes[section.recipe]
    given = {
        key: getattr(section, key)
        for key in ("encoder", "learning_rate", "weight_decay", "steps", "batch", "validate_every")
        if getattr(section, key) is not None
    }
    for key in ("crop", "load"):
        if (getattr(found, key) or 0) > section.size:
            given[key] = section.size
    return replace(found, **given)
