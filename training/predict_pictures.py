"""The pictures that a person names: found, judged before they are decoded, brought to RGB.

in    files and folders
out   `Given`s: the path, and a name for what is made of it
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.photographs import SUFFIXES, is_photograph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
MAX_BYTES, MAX_PIXELS = 512 << 20, 64_000_000


class Broken(Exception):
    """Why a picture cannot be read: a sentence."""


@dataclass(frozen=True, slots=True)
class Given:
    """`name` is relative to the folder that was named, and of no other picture."""

    path: Path
    name: PurePosixPath


def given(paths: Sequence[Path], out: Path | None) -> list[Given]:
    """Every picture named, and all below every folder named, in order. Raises InputError if one is
    not there, if there are none, or if what is made would itself be found the next time."""
    found: list[Given] = []
    taken: set[str] = set()
    for path in paths:
        if not path.exists():
            raise InputError(f"no picture and no folder at {path}")
        if path.is_dir() and out is not None and out.resolve().is_relative_to(path.resolve()):
            raise InputError(f"--out {out} lies in the folder of pictures {path}, and would be "
                             "read the next time: give another one")  # fmt: skip
        for file in _files(path):
            name = PurePosixPath(file.relative_to(path) if path.is_dir() else file.name)
            number = 1
            free = name
            while str(free) in taken:
                number += 1
                free = name.with_name(f"{name.name}-{number}")
            taken.add(str(free))
            found.append(Given(file, free))
    if not found:
        raise InputError(f"no pictures below {', '.join(map(str, paths))}: expected files ending "
                         f"in {', '.join(sorted(SUFFIXES))}")  # fmt: skip
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from (one for one in sorted(path.rglob("*")) if is_photograph(one) and one.is_file())


def pixels(path: Path) -> NDArray[np.uint8]:
    """The picture as displayed, RGB, (H, W, 3); to be called apart. Raises `Broken`."""
    import numpy as np

    return np.asarray(opened(path))


def opened(path: Path) -> Image.Image:
    """The picture as displayed, RGB. Raises `Broken`."""
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and is looked at before anything is decoded
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise Broken(f"{size >> 20} MiB, more than {MAX_BYTES >> 20}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            with Image.open(path, formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise Broken(f"{width} x {height} pixels, more than {MAX_PIXELS:,}")
                picture.load()
                return rgb(_upright(picture))
    except Broken:
        raise
    except MemoryError:
        raise Broken("asks for more memory than there is") from None
    except Exception as error:  # a broken file raises nearly anything
        why = f"{type(error).__name__}: {error}".replace(str(path), path.name)
        raise Broken(why) from None


def _upright(picture: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # broken metadata must not cost a good picture
        return picture


def rgb(picture: Image.Image) -> Image.Image:
    """8 bit RGB of any mode: 16 bit is scaled down, transparency goes on white."""
    import numpy as np
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.asarray(picture).astype(np.float64)
        top = 1.0 if picture.mode == "F" else 65535.0
        scaled = np.nan_to_num(levels / max(top, float(levels.max(initial=0))) * 255)
        return Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")
