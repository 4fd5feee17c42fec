"""Which files of a model hub's repository are worth their gigabytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pipeline import store
from pipeline.errors import InputError

#: What is read of a repository. Never code, never pickles.
READ = (".safetensors", ".json", ".txt", ".model", ".jinja")
#: The same weights in another precision, or before averaging; nothing here asks for them.
VARIANT = re.compile(r"\.(fp16|bf16|fp8|non_ema)[.-]")


def wanted(repo: str, names: Iterable[str], files: Sequence[str]) -> list[str]:
    """Which of a repository's files fit the patterns `files` (none = all that can be read). An
    InputError where no weights are among them, or a folder has only variants of its own."""
    fitting = [
        name for name in names
        if not name.startswith(".") and PurePosixPath(name).suffix in READ
        and any(fnmatchcase(name, pattern) for pattern in files or ("*",))
    ]  # fmt: skip
    plain = [name for name in fitting if not VARIANT.search(name)]
    bare = sorted(_weighted(fitting) - _weighted(plain))
    if bare or not _weighted(plain):
        what = f"of {bare[0]}/ in full precision" if bare else f"as *{store.WEIGHTS}"
        raise InputError(f"{repo} publishes no weights {what}: put converted ones into the folder "
                         "yourself, or change the model's card")  # fmt: skip
    return plain


def _weighted(names: Iterable[str]) -> set[str]:
    """The folders that hold weights."""
    return {str(PurePosixPath(name).parent) for name in names if name.endswith(store.WEIGHTS)}
