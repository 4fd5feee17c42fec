"""What the DAG must know about a model without loading it.

A family is a module with a `CARD` and a `load()`; it is found by its name, so a new one is a new
file and one line in the profile: no registry, no base class. Importing a family's module is cheap
by contract (heavy imports sit inside `load()`), and tests hold it.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.code import ROOT
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import Config, Detector

Role = Literal["editors", "vlms", "segmenters", "detectors"]
#: Where the models of a role lie, what begins a line of each one's file but not of a helper's, and
#: the key of the config that names them.
HOMES: dict[Role, tuple[str, str, str]] = {
    "editors": ("jobs.editors", "CARD", "families"),
    "vlms": ("jobs.vlms", "CARD", "vlm"),
    "segmenters": ("jobs.segmenters", "CARD", "segmenter"),
    "detectors": ("training.detectors", "CARD", "detectors"),
}


#: For `Card.files`: the parts of a checkpoint as diffusers' pipelines read it. Beside them, most
#: repositories have the same weights in one file, and some have older ones.
PIPELINE = (
    "model_index.json", "scheduler/*", "unet/*", "transformer/*", "vae/*", "movq/*", "prior/*",
    "text_encoder/*", "text_encoder_2/*", "text_encoder_3/*", "image_encoder/*",
    "tokenizer/*", "tokenizer_2/*", "tokenizer_3/*", "image_processor/*",
)  # fmt: skip
#: And of a detector's encoder.
ENCODER = ("config.json", "model.safetensors")


@dataclass(frozen=True, slots=True)
class Card:
    """Facts about one model, for the DAG, the editors and the dataset's index.

    `image` is the folder under images/ whose dependency set runs it. `gpu_gib` is the device
    memory that it needs at the paper's size, 0 for CPU only. `repos` are the hub ids whose folders
    `load()` expects below the weights folder, `gated` if their licence must be accepted first. Of
    each, only what fits one of the patterns `files` is fetched (none = all that can be read).
    Pictures are painted at the next `size_multiple` of pixels, with `steps` and `guidance` unless
    the config says otherwise; `base_guidance` is that of whole pictures from text alone, where it
    differs.

    `pflop` is the work of one picture at 1024 px in 10^15 operations, a multiplication and an
    addition being two: of an editor a whole edit of `steps` steps, of a vision-language model one
    question and its reply, of a segmenter one picture; of a detector one picture trained, forward
    and backward, at 512 px, by the encoder of its recipe `paper`. It grows with the picture's area,
    unless the model has a `fixed_size` of its own. 0 where nobody has reckoned it: no plan can be
    made of it (pipeline/estimate.py), and nothing else depends on it.

    `note` is for whoever reads the file, and says where these figures are published.
    """

    title: str
    image: str
    gpu_gib: int = 0
    repos: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    gated: bool = False
    size_multiple: int = 8
    steps: int = 50
    guidance: float = 7.5
    base_guidance: float | None = None
    pflop: float = 0.0
    fixed_size: bool = False
    note: str = ""

    def folders(self, root: Path) -> tuple[Path, ...]:
        """Where each of `repos` lies below the weights folder `root`, in their order."""
        return tuple(root / repo.rsplit("/", 1)[-1] for repo in self.repos)


def card(role: Role, name: str) -> Card:
    """The card of one model; a `ConfigError` as for `module`."""
    path = module(role, name)
    found = getattr(importlib.import_module(path), "CARD", None)
    if not isinstance(found, Card):
        raise ConfigError(f"{path} has no CARD: see docs/adding-a-model.md")
    return found


def encoder(name: str, section: Detector) -> Card:
    """The card of a detector for the encoder that its section of the config chooses: where that one
    is not to come pretrained, without `repos`. A ConfigError, if it has no published weights."""
    facts = card("detectors", name)
    if not section.pretrained:
        return replace(facts, repos=())
    found: Any = importlib.import_module(module("detectors", name))
    if section.recipe not in found.RECIPES:
        raise ConfigError(f"detectors.{name}.recipe: {section.recipe!r} is none of its recipes "
                          f"({', '.join(sorted(found.RECIPES))})")  # fmt: skip
    chosen = section.encoder or found.RECIPES[section.recipe].encoder
    repo = found.REPOS.get(chosen)
    if not repo:
        others = ", ".join(name for name, repo in found.REPOS.items() if repo)
        raise ConfigError(f"detectors.{name}.encoder: {chosen!r} has no published weights: set "
                          f"detectors.{name}.pretrained: false, or choose one of {others}"
                          )  # fmt: skip
    return replace(facts, repos=(repo,), files=facts.files or ENCODER)


def needed(config: Config, role: Role, name: str) -> Card:
    """The card of a model of a config, with the `repos` that this config needs of it."""
    return encoder(name, config.detectors[name]) if role == "detectors" else card(role, name)


def used(config: Config) -> Iterator[tuple[Role, str, Card]]:
    """The models of a config that have weights: those that paint, look and cut out, the stand-ins
    that paint again, and the encoders that detectors begin with. Of an imported dataset nothing is
    painted."""
    names: list[tuple[Role, str]] = []
    if not config.imported:
        names += [("editors", name) for name in (*config.families, *config.replays)]
        names += [("vlms", config.vlm), ("segmenters", config.segmenter)]
    names += [("detectors", name) for name in config.detectors]
    for role, name in names:
        if (facts := needed(config, role, name)).repos:
            yield role, name, facts


def module(role: Role, name: str) -> str:
    """The module of one model, which is not imported. A `ConfigError` names the key, the nearest
    model, all known ones and the module that was expected."""
    home, _, key = HOMES[role]
    expected = f"{home}.{name}"
    if name.isidentifier() and _is_model(role, name):
        return expected
    names = known(role)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"{key}: no {role[:-1]} {name!r}: {hint}known are {', '.join(names)} "
                      f"(a new one would be the module {expected})")  # fmt: skip


def known(role: Role) -> list[str]:
    """The names of all models of a role, found by looking into their files."""
    folder = ROOT.joinpath(*HOMES[role][0].split("."))
    names = (found.name for found in pkgutil.iter_modules([str(folder)]))
    return sorted(name for name in names if _is_model(role, name))


def _is_model(role: Role, name: str) -> bool:
    """Whether there is such a module and it is no helper, by its text: importing costs seconds."""
    home, mark, _ = HOMES[role]
    spec = None if name.startswith("_") else find_spec(f"{home}.{name}")
    if spec is None or spec.origin is None:
        return False
    return re.search(rf"^{mark}\b", Path(spec.origin).read_text(), re.M) is not None
