"""Pictures that really end the process which decodes them.

No fault is known in the libraries that we use. So a picture is made whose bytes say what shall
happen to a process that comes to decode it; the functions here do that, and leave every other one
to the real ones. They go where those are named, by their own name, into the other process.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from PIL import ImageFile

from jobs import cut as cuts
from jobs import imported_pairs
from jobs.photos import Limits
from pipeline import released
from pipeline.released import Pair
from tests.pipeline import ends
from training import predict_pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MARK = re.compile(rb"<poison (\w+)>")


def poisoned(raw: bytes, how: str) -> bytes:
    """A picture that shows the same to every decoder, which cares for nothing after its end; `how`
    is one of `ends.end`."""
    return raw + f"<poison {how}>".encode()


def _taste(raw: bytes) -> None:
    if found := _MARK.search(raw):
        print("poisoned", file=sys.stderr, flush=True)
        ends.end(found[1].decode())


def cut(raw: bytes, limits: Limits, side: int, draw: np.random.Generator | None) -> cuts.Cut:
    _taste(raw)
    return cuts.cut(raw, limits, side, draw)


def read(path: Path, pair: Pair) -> tuple[bytes, bytes]:
    found = imported_pairs.read(path, pair)
    if b"<poison reader>" in found[0]:
        ends.end("fault")
    return found


def inside(file: Path, name: str) -> list[Pair]:
    _taste(file.read_bytes())
    return released.inside(file, name)


def look(image: bytes, mask: bytes, limits: Limits, families: Sequence[int]) -> Any:
    _taste(image)
    _taste(mask)
    return imported_pairs.look(image, mask, limits, families)


def pixels(path: Path) -> NDArray[np.uint8]:
    _taste(path.read_bytes())
    if path.stem != "greedy":
        return predict_pictures.pixels(path)
    with patch.object(ImageFile.ImageFile, "load", side_effect=MemoryError):
        return predict_pictures.pixels(path)
