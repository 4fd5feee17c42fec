"""Read one pair of the published dataset: its bytes from an archive, its pixels from those.

Whatever is wrong with a pair is a `Refused` of its own; whatever is wrong with the disk is an
OSError. No more than one pair, or a few rows of a parquet file, is in memory.
"""

from __future__ import annotations

import io
import itertools
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.displayed import rgb
from jobs.photos import Limits, Refused, greedy, judge, limit, why
from pipeline.released import COLUMNS, Pair, located, strange

if TYPE_CHECKING:
    from pipeline.records import LabelMap, Photo

#: The bit of a zip's member that is encrypted.
ENCRYPTED = 1
#: Four times the largest published member.
MAX_BYTES = 64 << 20
ROWS = 8
FORMATS = ("PNG", "JPEG", "WEBP")


class Archive:
    """Reads pairs of the archive at `path`; in the order of their numbers, each byte once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zips: dict[Path, zipfile.ZipFile] = {}
        self._times: dict[Path, Counter[str]] = {}
        self._table: tuple[Path, int, Iterator[dict[str, Any]]] | None = None

    def read(self, pair: Pair) -> tuple[bytes, bytes]:
        """The files of the picture and of its mask. Raises `Refused`."""
        file = located(self.path, pair)
        if file.suffix == ".parquet" and file.is_file():
            return self._row(file, int(pair.name))
        names = (f"{pair.name}.{half}.png" for half in COLUMNS)
        fetch = self._member(file) if file.suffix == ".zip" and file.is_file() else _loose(file)
        image, mask = (fetch(name) for name in names)
        return image, mask

    def _member(self, file: Path) -> Callable[[str], bytes]:
        if file not in self._zips:
            self._zips[file] = zipfile.ZipFile(file)
            self._times[file] = Counter(self._zips[file].namelist())
        opened, times = self._zips[file], self._times[file]

        def fetch(name: str) -> bytes:
            about = opened.getinfo(name)
            if said := _wrong(about, times[name]):
                raise Refused("unreadable-image", f"{said} in the zip")
            _small(about.file_size)
            try:
                return opened.read(name)
            except Exception as error:  # a broken archive raises nearly anything
                if not strange(error):
                    raise
                raise Refused(
                    "unreadable-image", f"broken in the zip ({str(error)[:200]})"
                ) from None

        return fetch

    def _row(self, file: Path, number: int) -> tuple[bytes, bytes]:
        """A row of a parquet file. Going forward costs nothing; what is broken costs its group of
        rows, since these are packed together."""
        import pyarrow as pa

        try:
            if self._table is None or self._table[0] != file or self._table[1] > number:
                self._table = (file, *_rows(file, number))
            _, at, rows = self._table
            row = next(itertools.islice(rows, number - at, None))
        except Exception as error:  # a broken file raises nearly anything
            self._table = None
            if not strange(error) and not isinstance(error, pa.ArrowException):
                raise
            raise Refused(
                "unreadable-image", f"broken in the parquet file ({str(error)[:200]})"
            ) from None
        if row is None:
            raise Refused("missing-file", "the parquet file ends before this row")
        self._table = (file, number + 1, rows)
        image, mask = (_cell(row[name]) for name in COLUMNS)
        return image, mask


@lru_cache(maxsize=1)
def archive(path: Path) -> Archive:
    """The archive at `path`, one for a process."""
    return Archive(path)


def read(path: Path, pair: Pair) -> tuple[bytes, bytes]:
    """`Archive.read` of the process's archive at `path`; to be called apart."""
    return archive(path).read(pair)


def look(
    image: bytes, mask: bytes, limits: Limits, families: Sequence[int]
) -> tuple[Photo, LabelMap, str]:
    """Picture (H, W, 3) and mask (H, W), both uint8, and the picture's mode as it was stored.
    `families` are the labels that a mask may have. Raises `Refused`."""
    import numpy as np

    shown, mode = _decoded(image, limits, FORMATS)
    plane, kind = _decoded(mask, limits, ("PNG",))
    if kind not in ("L", "P"):
        raise Refused("unusable-mask", f"the mask is of mode {kind}, not one channel of 8 bit")
    if plane.size != shown.size:
        sizes = ["{} x {}".format(*size) for size in (plane.size, shown.size)]
        raise Refused("wrong-size", f"the mask is {sizes[0]}, the picture {sizes[1]} pixels")
    labels: LabelMap = np.array(plane)  # of mode P, the indices
    known = {0, *families}
    there = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
    if strange := [value for value in there if value not in known]:
        raise Refused("unusable-mask", f"the mask holds {strange[0]}, which is the label of no "
                      f"family ({min(families)} to {max(families)})")  # fmt: skip
    return np.array(rgb(shown)), labels, mode


def _decoded(raw: bytes, limits: Limits, formats: tuple[str, ...]) -> tuple[Any, str]:
    """A picture, judged by its header before it is decoded, as it lies in the file: an orientation
    noted beside it would turn it away from its mask."""
    from PIL import Image

    limit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(io.BytesIO(raw), formats=formats)
            judge(picture.size, limits)
            picture.load()
        except Refused:
            raise
        except MemoryError:
            raise greedy(limits.max_pixels) from None
        except Exception as error:  # a broken file raises nearly anything
            raise Refused(
                why(error, raw), f"broken ({type(error).__name__}: {str(error)[:200]})"
            ) from None
    return picture, picture.mode


def _wrong(about: zipfile.ZipInfo, times: int) -> str:
    """Why a member is not read, "" if it may be. Nothing is ever unpacked to the disk, and of two
    members with one name nobody knows which is meant."""
    kind = stat.S_IFMT(about.external_attr >> 16)
    if times > 1:
        return "twice"
    if about.is_dir() or kind not in (0, stat.S_IFREG):
        return "no regular file"
    if about.flag_bits & ENCRYPTED:
        return "encrypted"
    # Bzip2 and LZMA unpack whatever they hold at once, however much that is.
    known = about.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return "" if known else "packed otherwise than stored or deflated"


def _loose(folder: Path) -> Callable[[str], bytes]:
    def fetch(name: str) -> bytes:
        _small((folder / name).stat().st_size)
        return (folder / name).read_bytes()

    return fetch


def _rows(file: Path, number: int) -> tuple[int, Iterator[dict[str, Any]]]:
    """The rows of a parquet file from the group on that has row `number`, a few at a time, and the
    number of the first of them."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
    group, first = 0, 0
    while first + sizes[group] <= number:
        first, group = first + sizes[group], group + 1

    def rows() -> Iterator[dict[str, Any]]:
        groups = range(group, len(sizes))
        with pq.ParquetFile(file, buffer_size=1 << 20) as opened:
            for batch in opened.iter_batches(ROWS, groups, [*COLUMNS], use_threads=False):
                yield from batch.to_pylist()

    return first, rows()


def _cell(value: Any) -> bytes:
    """A picture as parquet files of data sets have it: bytes, or a struct with `bytes` in it."""
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise Refused("missing-file", "the row holds no bytes of a picture")
    _small(len(data))
    return data


def _small(size: int) -> None:
    if size > MAX_BYTES:
        raise Refused("image-too-large", f"{size >> 20} MiB, more than {MAX_BYTES >> 20}")
