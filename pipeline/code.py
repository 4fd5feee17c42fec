"""A digest of the program itself, so that a manifest can say which code made it."""

import hashlib
from functools import cache
from pathlib import Path

#: The program's version; images bear it as their tag until a site names a digest.
VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent


@cache
def digest() -> str:
    """sha256 (16 hex) over all source files of pipeline, jobs and training, by relative path."""
    found = hashlib.sha256()
    for package in ("jobs", "pipeline", "training"):
        for path in sorted((ROOT / package).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]
