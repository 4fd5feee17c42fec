"""The published dataset in miniature, in its own layouts: a zip of pairs, and parquet files."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

Pairs = dict[str, tuple[bytes, bytes]]


def png(array: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def picture(number: int, height: int = 160, width: int = 160) -> NDArray[np.uint8]:
    """Smooth colours, another for each number."""
    small = np.random.default_rng(number).integers(0, 256, (5, 5, 3), np.uint8)
    size = (width, height)
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def mask(number: int, height: int = 160, width: int = 160) -> NDArray[np.uint8]:
    """Every fifth is empty; the others have one to three of the labels 1 to 8, in stripes."""
    labels = np.zeros((height, width), np.uint8)
    for turn in range(1 + number % 3 if number % 5 else 0):
        top = 10 + 40 * turn
        labels[top : top + 30, 20 : 20 + 30 * (turn + 1)] = 1 + (number + 3 * turn) % 8
    return labels


def pairs(first: int, count: int, height: int = 160, width: int = 160) -> Pairs:
    """Pairs by their eight digits."""
    return {f"{number:08d}": (png(picture(number, height, width)), png(mask(number, height, width)))
            for number in range(first, first + count)}  # fmt: skip


def zipped(path: Path, pairs: Pairs, folder: str = "train_copy") -> Path:
    """As `train.zip` is: stored pairs in one folder, in any order, and the folder itself."""
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(f"{folder}/", b"")
        for name, (image, labels) in reversed(pairs.items()):
            out.writestr(f"{folder}/{name}.mask.png", labels)
            out.writestr(f"{folder}/{name}.image.png", image)
    return path


def parquet(path: Path, pairs: Pairs, group: int = 4) -> Path:
    """As `datasets` writes them: structs of bytes and a path, a few rows a group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        half: pa.array([{"bytes": pair[i], "path": f"{name}.{half}.png"}
                        for name, pair in pairs.items()], cell)
        for i, half in enumerate(("image", "mask"))
    }  # fmt: skip
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return path
