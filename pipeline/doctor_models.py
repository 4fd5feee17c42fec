"""Whether the weights that a profile uses lie where they are looked for, and may be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from pipeline.cards import Card, Role
    from pipeline.config import Config


def readable(models: Path) -> str:
    try:
        count = sum(1 for path in models.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise PermanentError(
            f"there is no folder {models}: mount the models' claim there"
        ) from None
    return f"{count} entries" if count else "empty: the fetch steps of a run fill it"


def checks(profile: str, models: Path | None) -> Iterator[tuple[str, Callable[[], str]]]:
    """The profile itself, then each model of it that has weights: editors, stand-ins that paint
    again, those that look and cut out, the encoders that detectors begin with."""
    uses: list[tuple[Role, str, Card]] = []
    configs: list[Config] = []

    def read() -> str:
        from pipeline import cards, config

        configs.append(config.load(profile))
        uses.extend(cards.used(configs[0]))
        return f"{len(uses)} models with weights"

    yield f"profile {profile}", read  # whoever asks for the next one has called this
    for role, name, facts in uses:
        editing = configs[0].editing
        tiny = editing.weights == "tiny" and role != "detectors"
        root = models or Path(editing.folder).expanduser()
        yield f"models of {name}", made if tiny else partial(present, facts, root)


def made() -> str:
    return "made when they are needed"


def present(facts: Card, root: Path) -> str:
    for repo, folder in zip(facts.repos, facts.folders(root), strict=True):
        if not any(folder.glob("*")):
            raise PermanentError(f"{repo} is not in {folder}: let a run fetch it, or download it "
                                 "there")  # fmt: skip
        for path in folder.rglob("*"):
            if path.is_file() and not os.access(path, os.R_OK):
                raise PermanentError(f"uid {os.geteuid()} may not read {path}: make it readable")
    return f"{len(facts.repos)} of {len(facts.repos)} repositories"
