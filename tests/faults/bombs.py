"""Pictures that are small files and want to be much else, and a process of little memory that opens
them.

    python -m tests.faults.bombs FOLDER       one line of JSON a file of the folder
"""

from __future__ import annotations

import io
import json
import re
import resource
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests.faults.hostile import PNG, chunk

#: Memory that the process may have beyond what it has before the first picture.
ROOM = 1280 << 20


def png(width: int, height: int, *more: bytes, depth: int = 8, kind: int = 0, data: bytes = b"",
        hidden: int = 0) -> bytes:  # fmt: skip
    """`hidden`: bytes that the pixels unpack to besides."""
    size = height * ((width * depth * {0: 1, 2: 3, 6: 4}[kind] + 7) // 8 + 1)
    lines = data or zlib.compress(bytes(min(size, 80 << 20) + hidden), 9)
    return (PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
            + b"".join(more) + chunk(b"IDAT", lines) + chunk(b"IEND", b""))  # fmt: skip


def saved(form: str, picture: Image.Image | None = None, **how: Any) -> bytes:
    out = io.BytesIO()
    (picture or Image.new("RGB", (96, 96), (9, 120, 40))).save(out, form, **how)
    return out.getvalue()


def packed(name: bytes, size: int) -> bytes:
    """A chunk of text or of a profile that unpacks to `size` bytes."""
    head = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}[name]
    return chunk(name, head + zlib.compress(bytes(size), 9))


def tiff(width: int, height: int, tile: int, packing: int = 1) -> bytes:
    """Tiles of `tile` x `tile` in a picture of any size."""
    tags = [(256, width), (257, height), (258, 8), (259, packing), (262, 1), (277, 1), (322, tile),
            (323, tile), (324, 8), (325, 0xFFFFFFF0)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(4)


def jpeg(width: int, height: int) -> bytes:
    """Of another size in its header than in its pixels."""
    data = saved("JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def segments(marker: int, body: bytes, number: int) -> bytes:
    data = saved("JPEG")
    one = bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body
    return data[:2] + one * number + data[2:]


def webp(width: int, height: int) -> bytes:
    """The canvas of an animation, of one frame that is as large."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    still = saved("WEBP", lossless=True)[12:]
    frame = bytes(6) + sides + bytes(4) + still
    parts = (b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + sides
             + b"ANIM" + struct.pack("<I", 6) + bytes(6)
             + b"ANMF" + struct.pack("<I", len(frame)) + frame)  # fmt: skip
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def bombs() -> Iterator[tuple[str, bytes, str]]:
    """Name of the file, its bytes, and what becomes of it: "" = it is taken as it is."""
    small, large = "image-too-small", "image-too-large"
    frames = [Image.new("RGB", (96, 96), (i, 0, 0)) for i in range(200)]
    yield "wide.png", png(60_000, 60_000, depth=1), large
    yield "wider.png", png(0x7FFFFFFF, 0x7FFFFFFF, depth=1), large
    yield "doubly-warned.png", png(13_000, 13_000, depth=1), large
    yield "line.png", png(60_000_000, 1, depth=1), small
    yield "nothing.png", png(0, 0), "unreadable-image"
    yield "flat.png", png(96, 0), "unreadable-image"
    yield "hidden.png", png(96, 96, hidden=64 << 20), ""
    yield "largest.png", png(8_000, 8_000, depth=1), ""
    yield "deep.png", png(6_000, 6_000, depth=16), ""
    yield "clear.png", png(4_000, 4_000, kind=6), ""
    yield "text.png", png(96, 96, packed(b"zTXt", 1 << 29)), "unreadable-image"
    yield "texts.png", png(96, 96, *[packed(b"zTXt", 1 << 20)] * 64), "unreadable-image"
    yield "international.png", png(96, 96, packed(b"iTXt", 1 << 29)), "unreadable-image"
    yield "profile.png", png(96, 96, packed(b"iCCP", 1 << 29)), "unreadable-image"
    yield "exif.png", png(96, 96, chunk(b"eXIf", b"MM\0*" + b"\xff" * (16 << 20))), ""
    yield "chunks.png", png(96, 96, *[chunk(b"teST", b"")] * 100_000), ""
    yield "frames.png", saved("PNG", save_all=True, append_images=frames), ""
    yield "frames.webp", saved("WEBP", save_all=True, append_images=frames[:50]), ""
    yield "frames.tiff", saved("TIFF", save_all=True, append_images=frames), ""
    yield "canvas.webp", webp(1 << 14, 1 << 14), large
    yield "canvases.webp", webp(1 << 24, 1 << 24), large
    yield "wide.jpg", jpeg(65_535, 65_535), large
    yield "lying.jpg", jpeg(8_000, 7_999), "truncated-image"
    yield "nothing.jpg", jpeg(0, 0), "unreadable-image"
    yield "profiles.jpg", segments(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000), 255), ""
    yield "exif.jpg", segments(0xE1, b"Exif\0\0MM\0*\0\0\0\x08" + b"\xff" * 65_000, 200), ""
    yield "comments.jpg", segments(0xFE, bytes(65_000), 500), ""
    yield "inks.jpg", saved("JPEG", Image.new("CMYK", (96, 96), (0, 255, 255, 0))), ""
    yield "tile.tiff", tiff(96, 96, 1 << 16), "truncated-image"
    yield "tiles.tiff", tiff(96, 96, 0x7FFFFFF0, 8), "unreadable-image"
    yield "wide.tiff", tiff(0x7FFFFFFF, 2, 16), "image-too-large"
    yield "wide.bmp", (b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, 50_000, 50_000, 1,
                                          24, 0, 0, 0, 0, 0, 0)), large  # fmt: skip
    yield "picture.gif.png", saved("GIF"), "unreadable-image"
    yield "png.jpg", png(96, 96), ""
    yield "vector.png", b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", \
        "unreadable-image"  # fmt: skip
    yield "printed.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unreadable-image"
    yield "nothing.webp", b"", "unreadable-image"
    yield "zeros.png", bytes(1 << 20), "unreadable-image"


def _status(name: str) -> int:
    """Bytes, by name in /proc/self/status."""
    found = re.search(rf"^{name}:\s+(\d+)", Path("/proc/self/status").read_text(), re.M)
    assert found
    return int(found[1]) << 10


def main(folder: Path) -> None:
    from jobs.photos import Refused, see
    from pipeline.config import Bases

    see(folder / "warm-up.jpg", Bases())
    limit = _status("VmSize") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(folder.iterdir()):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        resident, begun = _status("VmRSS"), time.process_time()
        try:
            sight = see(path, Bases())
            sight.crop(256, None)
            outcome, said = "", ""
            del sight
        except Refused as refused:
            outcome, said = refused.reason, str(refused)
        except BaseException as error:
            outcome, said = "uncaught", repr(error)
        print(json.dumps({
            "name": path.name, "outcome": outcome, "said": said,
            "seconds": time.process_time() - begun, "bytes": _status("VmHWM") - resident,
        }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
