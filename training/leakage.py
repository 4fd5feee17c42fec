"""What would let a detector know the answer without looking for edits: refused before training.

A source on both sides of the split, and a picture that was not stored as the others were. Storage
is lossless, so what tells classes apart would have to be another path to the pixels: every picture,
edited or not, must be a PNG of our own encoder (pipeline/png.py). That is judged by what the file
is made of, not by the digest of the code that wrote it: a run may be finished by a later version.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from pipeline import png
from pipeline.errors import InputError
from pipeline.shards import Row

ENCODER = "png-row-above"


def disjoint(train: Mapping[str, str], val: Mapping[str, str]) -> None:
    """Raises `InputError` that names a source of both; both are source id -> a key."""
    if both := sorted(train.keys() & val.keys()):
        one = both[0]
        raise InputError(
            f"{len(both)} sources lie in train and in val, such as {one!r} (samples {train[one]} "
            f"and {val[one]}): a detector would be scored on what it has seen; begin a new run"
        )


def same_encoder(row: Row) -> None:
    """Raises `InputError` that names the sample, unless its picture is as our encoder writes it."""
    raw = row.raw("image.png")
    assert raw is not None
    if not ours(raw):
        manifest, _ = row.found["image.png"]
        raise InputError(
            f"{manifest.dataset}, sample {row.key}: its picture was not written by the encoder of "
            "the others, so that edited and unedited pictures may differ in more than the edit: "
            "have the shard made again"
        )


def ours(raw: bytes) -> bool:
    """Whether a file is what `pipeline.png.encode` makes: 8-bit RGB in one IDAT, every row as its
    difference from the one above."""
    chunks, place = list[tuple[bytes, bytes]](), len(png.SIGNATURE)
    if raw[:place] != png.SIGNATURE:
        return False
    while place + 12 <= len(raw):
        (size,) = struct.unpack_from(">I", raw, place)
        chunks.append((raw[place + 4 : place + 8], raw[place + 8 : place + 8 + size]))
        place += size + 12
    if [kind for kind, _ in chunks] != [b"IHDR", b"IDAT", b"IEND"] or len(chunks[0][1]) != 13:
        return False
    width, height, *form = struct.unpack(">IIBBBBB", chunks[0][1])
    try:
        rows = zlib.decompress(chunks[1][1])
    except zlib.error:
        return False
    stride = 1 + 3 * width
    filters = set(rows[::stride])
    return form == [8, 2, 0, 0, 0] and len(rows) == stride * height and filters == {png.UP}
