"""Which files of a folder of photographs matter: what a run is begun with, and what it leaves out.

The jobs read the pictures (jobs/coco.py); here only names and sizes are looked at.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

#: Files that end like this (in any case) are photographs; the rest is left out, and counted.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
ANNOTATIONS = ".json"


def is_photograph(path: Path) -> bool:
    """By its name; whether it is a picture is seen when it is opened."""
    return path.suffix.lower() in SUFFIXES


def fingerprint(photos: Path) -> str:
    """16 hex digits over the photographs' names and sizes (bytes) and the annotations' bytes.
    Raises OSError; a file that vanishes meanwhile counts as not there."""
    found = hashlib.sha256()
    for path in _files(photos):
        if is_photograph(path) or path.suffix == ANNOTATIONS:
            try:
                size = path.stat().st_size
                data = path.read_bytes() if path.suffix == ANNOTATIONS else b""
            except FileNotFoundError:
                continue
            name = f"{path.relative_to(photos)}\0{size}\0".encode("utf-8", "surrogateescape")
            found.update(name + data)
    return found.hexdigest()[:16]


def ignored(photos: Path) -> dict[str, int]:
    """Files that are neither photographs nor annotations, by suffix ("" without one), most first.
    A suffix is text from outside: it is spelt out in ASCII."""
    others = (path for path in _files(photos)
              if not is_photograph(path) and path.suffix != ANNOTATIONS)  # fmt: skip
    count = Counter(ascii(path.suffix.lower())[1:-1] for path in others)
    return dict(sorted(count.items(), key=lambda item: (-item[1], item[0])))


def _files(photos: Path) -> Iterator[Path]:
    return (path for path in sorted(photos.rglob("*")) if path.is_file())
