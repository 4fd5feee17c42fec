"""Find a family's weights, load its editor, and say exactly which weights they were."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable
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
    known = digest(facts.folders(root))  # before they are read
    return module.load(root, settings), known


def digest(folders: Iterable[Path]) -> str:
    """sha256 (16 hex) over the names and bytes of all files below `folders`, but for hidden ones.

    A folder that holds weights must have a lock and hold what it says, to the byte. One of texts,
    such as the questions to a model, needs none.
    """
    total = hashlib.sha256()
    for folder in folders:
        found = store.survey(folder)
        if found.weights or store.read(folder):
            store.check(folder, found)
        for name, entry in sorted(found.files.items(), key=lambda item: item[0].split("/")):
            total.update(f"{folder.name}/{name}".encode() + b"\0" + bytes.fromhex(entry.sha256))
    return total.hexdigest()[:16]
