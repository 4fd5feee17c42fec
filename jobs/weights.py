"""Find a family's weights, load its editor, and say exactly which weights they were."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable
from pathlib import Path

from jobs.editors import Editor, Family, Settings
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
    return module.load(root, settings), digest(facts.folders(root))


def digest(folders: Iterable[Path]) -> str:
    """sha256 (16 hex) over the names and bytes of all files below `folders`, but for what a
    downloader leaves behind in hidden ones (it has dates in it)."""
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder.parent)
            if path.is_file() and not any(part.startswith(".") for part in name.parts[1:]):
                found.update(name.as_posix().encode() + b"\0")
                with open(path, "rb") as data:
                    found.update(hashlib.file_digest(data, "sha256").digest())
    return found.hexdigest()[:16]
