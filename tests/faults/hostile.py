"""Bytes that somebody broke, or made to break us: drawn from a seed that a failure prints."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator

from tests.faults.counts import count, seed

PNG = b"\x89PNG\r\n\x1a\n"
#: What a length or a number of a header is set to.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def cases(what: str) -> Iterator[tuple[str, random.Random]]:
    """What to say of a case that fails, and its draws; as many as tests/faults/counts.py says."""
    base = seed()
    for number in range(count(what)):
        yield f"PALIMPSEST_SEED={base}, {what} {number}", random.Random(f"{base}-{what}-{number}")


def flipped(data: bytes, draw: random.Random) -> bytes:
    """One to eight bytes are others."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        out[draw.randrange(len(out))] = draw.randrange(256)
    return bytes(out)


def headed(data: bytes, draw: random.Random) -> bytes:
    """As `flipped`, where headers lie: in the first bytes or the last."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(min(len(out), 256))
        out[-1 - at if draw.random() < 0.3 else at] = draw.randrange(256)
    return bytes(out)


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def grown(data: bytes, draw: random.Random) -> bytes:
    """Something is put in: noise, zeros, or a piece of the file itself."""
    at, size = draw.randrange(len(data) + 1), draw.choice((1, 4, 64, 4096))
    begin = draw.randrange(len(data))
    piece = draw.choice((draw.randbytes(size), bytes(size), data[begin : begin + size]))
    return data[:at] + piece + data[at:]


def dropped(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.choice((1, 4, 64, 4096)) :]


def numbered(data: bytes, draw: random.Random) -> bytes:
    """A number somewhere is an extreme one."""
    form = draw.choice(("<I", ">I", "<H", ">H"))
    size = struct.calcsize(form)
    at = draw.randrange(max(1, len(data) - size))
    value = draw.choice(EDGES) & (256**size - 1)
    return data[:at] + struct.pack(form, value) + data[at + size :]


ANY: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, headed, cut, grown, dropped, numbered,
)  # fmt: skip


def broken(data: bytes, draw: random.Random) -> bytes:
    """Any of the above, once or twice."""
    for _ in range(draw.choice((1, 1, 1, 2))):
        data = draw.choice(ANY)(data, draw) or b"\0"
    return data


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, with the checksum that it ought to have."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def png(data: bytes, draw: random.Random) -> bytes:
    """Broken behind the checksums, which are right again."""
    parts = chunks(data)
    names = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"zTXt", b"iTXt", b"tEXt", b"acTL",
             b"fcTL", b"fdAT", b"gAMA", b"cHRM", b"pHYs", b"IDAT", b"IEND", b"sRGB")  # fmt: skip
    at = draw.randrange(len(parts))
    if draw.random() < 0.5 and parts[at][1]:
        parts[at] = parts[at][0], broken(parts[at][1], draw)
    else:
        name = draw.choice(names)
        text = b"a\0\0" + zlib.compress(bytes(draw.choice((10, 10**5, 10**7))), 9)
        parts.insert(at, (name, draw.choice((text, draw.randbytes(draw.randrange(64)), b""))))
    return PNG + b"".join(chunk(name, body) for name, body in parts)


def jpeg(data: bytes, draw: random.Random) -> bytes:
    """A segment more, or other sizes."""
    if draw.random() < 0.4:
        at = next((i for i in range(2, len(data) - 9)
                   if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2)), 2)  # fmt: skip
        width, height = draw.choice(EDGES) & 0xFFFF, draw.choice(EDGES) & 0xFFFF
        return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
    marker = draw.choice((0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xDB, 0xC4, 0xC0, 0xDD, 0xD9))
    heads = (b"Exif\0\0MM\0*" + draw.randbytes(40), b"ICC_PROFILE\0\1\xff" + draw.randbytes(40),
             b"MPF\0MM\0*" + draw.randbytes(60), b"Adobe\0\x64" + draw.randbytes(5),
             draw.randbytes(64), b"")  # fmt: skip
    body = draw.choice(heads)
    length = len(body) + 2 if draw.random() < 0.8 else draw.randrange(65536)
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", length) + body + data[2:]


def webp(data: bytes, draw: random.Random) -> bytes:
    """A chunk more, or sizes that lie."""
    if draw.random() < 0.4:
        body = draw.randbytes(4) + draw.randbytes(6)
        more = b"VP8X" + struct.pack("<I", 10) + body
    else:
        name = draw.choice((b"EXIF", b"ICCP", b"XMP ", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
        body = draw.randbytes(draw.randrange(2, 80) & ~1)
        more = name + struct.pack("<I", draw.choice((len(body), draw.randrange(1 << 31)))) + body
    out = data[:12] + more + data[12:] if draw.random() < 0.6 else data + more
    return out[:4] + struct.pack("<I", len(out) - 8) + out[8:]
