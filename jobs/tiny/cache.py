"""Tiny checkpoints are built once a machine and shared by all processes on it."""

import importlib
import tempfile
from importlib.util import find_spec
from pathlib import Path

from pipeline import store
from pipeline.errors import ConfigError
from pipeline.store import Lock

#: Raise it when a builder changes: the new weights then get a new folder.
VERSION = "tiny-v2"


def ensure(family: str, root: Path) -> Path:
    """The weights folder of a tiny family below `root`, built there if it is missing.

    It appears whole, by one rename, or not at all; whoever comes second uses the first one's.
    """
    final = root / VERSION / family
    if final.is_dir():
        return final
    module = f"jobs.tiny.{family}"
    if not family.isidentifier() or find_spec(module) is None:
        raise ConfigError(f"no tiny weights for {family!r}: expected a module {module}")
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{family}-") as scratch:
        built = Path(scratch, family)
        built.mkdir()
        importlib.import_module(module).build(built)
        for folder in filter(Path.is_dir, sorted(built.iterdir())):
            store.write(folder, Lock(repo="", commit="", files=store.survey(folder).files))
        try:
            built.rename(final)
        except OSError:
            if not final.is_dir():
                raise
    return final
