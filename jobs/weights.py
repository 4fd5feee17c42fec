"""Find a family's weights, load its editor, and say exactly which weights they were."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

from jobs.editors import Editor, Family, Settings
from pipeline.cards import card
from pipeline.config import Config


def editor(config: Config, family: str) -> tuple[Editor, str]:
    """The loaded editor and the digest of its weights folder ("" for a family without weights)."""
    module: Family = importlib.import_module(f"jobs.editors.{family}")
    how = config.editing
    settings = Settings(how.device, how.dtype, how.steps, how.guidance)
    root = Path(how.folder).expanduser()
    if not card("editors", family).repos:
        return module.load(root, settings), ""
    folder = root
    if how.weights == "tiny":
        from jobs.tiny.cache import ensure

        folder = ensure(family, root)
    return module.load(folder, settings), digest(folder)


def digest(folder: Path) -> str:
    """sha256 (16 hex) over the names and bytes of all files below `folder`."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with open(path, "rb") as data:
                found.update(hashlib.file_digest(data, "sha256").digest())
    return found.hexdigest()[:16]
