"""Open one photograph, whatever a folder may hold, and cut a square out of it.

Everything is judged before it is decoded: the format (an allow-list), then the size that the header
promises (a decompression bomb is a small file of huge dimensions). What a decoder then asks for
beyond a picture of that size is the file's fault, and not the machine's.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.displayed import jpeg_quality, rgb, turned, upright

if TYPE_CHECKING:  # the process that decodes shall start at once
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    from pipeline.config import Bases
    from pipeline.documents import QuarantineReason

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
MAX_BYTES = 512 << 20
#: Bytes that a text or a profile inside a picture may unpack to, and all of them.
MAX_TEXT, MAX_TEXTS = 1 << 20, 16 << 20
#: Bytes of memory that a picture may take for each pixel while it is opened, and besides.
PER_PIXEL, BESIDES = 16, 64 << 20
#: Pixels of a JPEG that a byte can hold at most: a bit for each block of 64. What its data do not
#: reach, the decoder leaves grey without a word.
SPARSE = 512


class Refused(Exception):
    """Why a picture cannot be used: a reason from the fixed list, and a sentence."""

    def __init__(self, reason: QuarantineReason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason

    def __reduce__(self) -> tuple[type[Refused], tuple[QuarantineReason, str]]:
        return type(self), (self.reason, str(self))


class Limits(NamedTuple):
    """What a picture is judged by: those of the config's `bases`."""

    max_pixels: int
    min_side: int

    @classmethod
    def of(cls, bases: Bases) -> Limits:
        return cls(bases.max_pixels, bases.min_side)


@dataclass(frozen=True)
class Sight:
    """A photograph as displayed: RGB, EXIF orientation applied. `stored_size` and `orientation` say
    how it lay in the file, since annotations are in the file's coordinates."""

    picture: Picture
    stored_size: tuple[int, int]
    orientation: int
    mode: str
    jpeg_quality: int | None
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size

    def crop(
        self, side: int, draw: np.random.Generator | None
    ) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
        """A square of `side` px and the box it was cut from: the largest centred one, or, with a
        generator, one of 60 to 100 % of the shorter side at a random place."""
        import numpy as np
        from PIL import Image

        width, height = self.size
        edge = min(width, height)
        if draw is None:
            left, top = (width - edge) // 2, (height - edge) // 2
        else:
            edge = max(1, round(edge * float(draw.uniform(0.6, 1.0))))
            left = int(draw.integers(0, width - edge + 1))
            top = int(draw.integers(0, height - edge + 1))
        box = (left, top, left + edge, top + edge)
        square = self.picture.resize((side, side), Image.Resampling.LANCZOS, box=box)
        return np.asarray(square), box


def crop_mask(
    mask: NDArray[np.bool_], orientation: int, box: tuple[int, int, int, int], side: int
) -> NDArray[np.bool_]:
    """The crop of a photograph, of its mask in the file's coordinates: (height, width) -> (side,
    side)."""
    import numpy as np
    from PIL import Image

    plane = upright(Image.fromarray(mask.astype(np.uint8) * 255), orientation)
    small = plane.resize((side, side), Image.Resampling.BOX, box=box)
    return np.asarray(small) >= 128


def see(path: Path | None, rules: Bases | Limits) -> Sight:
    """Open, judge and decode one picture. Raises `Refused`; other errors are the disk's."""
    return seen(contents(path), rules)


def contents(path: Path | None) -> bytes:
    """A file as it is, if it may be a picture. Raises `Refused`; other errors are the disk's."""
    try:
        if path is None:
            raise FileNotFoundError
        if path.stat().st_size > MAX_BYTES:
            raise Refused("image-too-large", f"{path.stat().st_size >> 20} MiB on disk")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Refused("missing-file", "named by the annotations, but not there") from None
    if not raw:
        raise Refused("unreadable-image", "the file is empty")
    return raw


def seen(raw: bytes, rules: Bases | Limits) -> Sight:
    """Judge and decode the picture in a file of these bytes. Raises `Refused`."""
    from PIL import Image

    limit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; what matters is judged here
        try:
            if canvas := _canvas(raw):
                judge(canvas, rules)
            picture: Any = Image.open(io.BytesIO(raw), formats=FORMATS)
        except Refused:
            raise
        except MemoryError:
            raise greedy(rules.max_pixels) from None
        except Exception as error:  # a fuzzed header raises nearly anything
            raise Refused(
                why(error, raw), f"not a picture of a known format ({type(error).__name__})"
            ) from None
        judge(picture.size, rules)
        if picture.format in ("JPEG", "MPO") and picture.width * picture.height > len(raw) * SPARSE:
            raise Refused("truncated-image", "{} x {} pixels".format(*picture.size) + " of a JPEG "
                          f"need more than its {len(raw)} bytes")  # fmt: skip
        mode = picture.mode
        try:
            quality = jpeg_quality(picture)
            orientation = turned(picture)  # a TIFF has none left after load():
            picture.load()  # there Pillow itself sets it upright
            if picture.format == "TIFF":
                shown = rgb(picture)
            else:
                orientation = turned(picture)  # a PNG may have it after the pixels
                shown = upright(rgb(picture), orientation)
        except MemoryError:
            raise greedy(picture.width * picture.height) from None
        except Exception as error:
            raise Refused(
                why(error, raw), f"broken while decoding ({type(error).__name__}: {error})"
            ) from None
    width, height = shown.size
    stored = (height, width) if orientation >= 5 else (width, height)
    return Sight(shown, stored, orientation, mode, quality, hashlib.sha256(raw).hexdigest())


def limit() -> None:
    """Set Pillow's limits, for the whole process. Its limit of pixels is none: it warns, and up to
    twice of it no more than that, while the config's is judged before anything is decoded."""
    from PIL import Image, ImageFile, PngImagePlugin

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = MAX_TEXT, MAX_TEXTS


def greedy(pixels: int) -> Refused | MemoryError:
    """What to raise where a picture of so many pixels could not be had for want of memory: a
    MemoryError, if the machine has not even what any such picture takes."""
    try:
        mmap.mmap(-1, PER_PIXEL * pixels + BESIDES).close()
    except OSError:
        return MemoryError()
    return Refused("unreadable-image", "asks for more memory than a picture of its size takes")


def _canvas(raw: bytes) -> tuple[int, int] | None:
    """The size of an extended WebP, whose decoder makes room for it before it tells the size."""
    if raw[:4] != b"RIFF" or raw[8:16] != b"WEBPVP8X":
        return None
    sides = (int.from_bytes(raw[at : at + 3], "little") + 1 for at in (24, 27))
    return next(sides), next(sides)


def why(error: Exception, raw: bytes) -> QuarantineReason:
    """A file that ends too early, or one that is broken in another way."""
    short = raw[:4] == b"RIFF" and int.from_bytes(raw[4:8], "little") + 8 > len(raw)  # WebP
    return "truncated-image" if short or "truncated" in str(error).lower() else "unreadable-image"


def judge(size: tuple[int, int], rules: Bases | Limits) -> None:
    width, height = size
    if width * height > rules.max_pixels:
        raise Refused(
            "image-too-large", f"{width} x {height} pixels, bases.max_pixels is {rules.max_pixels}"
        )
    if min(width, height) < rules.min_side:
        raise Refused(
            "image-too-small", f"{width} x {height} pixels, bases.min_side is {rules.min_side}"
        )
