"""Find a family's weights, load its editor, and say exactly which weights they were."""

from __future__ import annotations

import importlib
from pathlib import Path

from jobs.editors import Editor, Family, Settings
from pipeline import store
from pipeline.cards import card
from pipeline.config import Config


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
    known = store.digest(facts.folders(root))  # before they are read
    return module.load(root, settings), known
