"""Find a family's weights, load its editor, and say exactly which weights they were."""

from __future__ import annotations

import importlib
from pathlib import Path

from jobs.editors import Editor, Family, Settings
from pipeline.cards import card
from pipeline.config import Config
from pipeline.held import held


def editor(config: Config, family: str) -> tuple[Editor, str]:
    """The loaded editor and the digest of its weights ("" for a family without weights)."""
    module: Family = importlib.import_module(f"jobs.editors.{family}")
    how = config.editing
    settings = Settings(how.device, how.dtype, how.steps, how.guidance)
    root = Path(how.folder).expanduser()
    facts = card("editors", family)
    if not facts.repos:
        return module.load(root, settings), ""
    if how.weights == "tiny":
        from jobs.tiny.cache import ensure

        root = ensure(family, root)
    with held(facts.folders(root)) as (checked, known):
        return module.load(checked, settings), known
