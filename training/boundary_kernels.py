"""Compiled loops over the boundaries of label maps. Import inside functions.

A boundary map is flat uint8, one bit for each of eight classes. Its rows are `reach` zeros and then
the pixels, with `reach` rows of zeros above and below: wherever a disk of that radius reaches from
a pixel, there is something to read, and what is written into the zeros belongs to no pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Words = NDArray[np.uint64]
    Counts = NDArray[np.int64]
    Numbers = NDArray[np.integer[Any]]

#: Rows that are dilated together, and words that are counted together: at most 255, since each byte
#: of a sum holds a count of its own.
ROWS, WORDS = 16, 64
_U8, _U64 = np.uint8, np.uint64
_ONES, _PAIRS, _FOURS = (
    _U64(0x0101010101010101), _U64(0x00FF00FF00FF00FF), _U64(0x0001000100010001),
)  # fmt: skip


@compiled
def _bits(labels: Bytes, first: np.uint8, out: Bytes) -> None:
    """Class first + i -> bit i, by three conditional shifts; any other -> none."""
    for x in range(labels.size):
        place = _U8(labels[x] - first)
        bit = _U8(2) if place & _U8(1) else _U8(1)
        bit = _U8(bit << 2) if place & _U8(2) else bit
        bit = _U8(bit << 4) if place & _U8(4) else bit
        out[x] = bit if place < _U8(8) else _U8(0)


@compiled
def _differ(here: Bytes, right: Bytes, below: Bytes, across: Bytes, out: Bytes) -> None:
    for x in range(out.size):
        out[x] = (here[x] ^ right[x]) | (here[x] ^ below[x]) | (here[x] ^ across[x])


@compiled
def edges(labels: Bytes, first: np.uint8, reach: int, out: Bytes) -> None:
    """The boundary map of (H, W) `labels` into `out`, all zeros: two neighbours of different
    classes are, for both of these classes, one inside and one outside, and the XOR of their bits
    names the two. The last row and column are repeated outside: nothing differs there."""
    height, width = labels.shape
    rows = np.empty((2, width + 1), np.uint8)
    for y in range(height + 1):
        here, below = rows[1 - y % 2], rows[y % 2]
        if y < height:
            _bits(labels[y], first, below[:width])
            below[width] = below[width - 1]
        else:
            below[:] = here
        if y > 0:
            start = (reach + y - 1) * (width + reach) + reach
            _differ(here[:width], here[1:], below[:width], below[1:], out[start : start + width])


@compiled
def _any(words: Words) -> bool:
    found = _U64(0)
    for i in range(words.size):
        found |= words[i]
    return bool(found)


@compiled
def listed(words: Words, places: Words) -> int:
    """Write the places of bytes that are not 0 to `places`, and return their number; -1 if there
    are more than its size less 8."""
    count = 0
    for start in range(0, words.size, WORDS):
        some = words[start : start + WORDS]
        if not _any(some):
            continue
        for i in range(some.size):
            word = some[i]
            if word == _U64(0):
                continue
            if count + 8 > places.size:
                return -1
            for j in range(8):
                places[count] = 8 * (start + i) + j
                count += int(word >> _U64(8 * j) & _U64(255) != _U64(0))
    return count


@compiled
def gather(
    places: Words, mine: Bytes, other: Bytes, offsets: Words, cuts: Numbers, counts: Counts
) -> None:
    """Look around each of `places` for its bits in the other map, nearest first and four at a time,
    until all are found. `counts` (1 + len(cuts), 256): which bits a place has, and which of them it
    has found after the first cuts[i] offsets; cuts ascend and are multiples of four.

    Offsets wrap around: an index without a sign is not checked for being below zero."""
    for i in range(places.size):
        place = places[i]
        wanted, found, start = mine[place], _U8(0), 0
        counts[0, wanted] += 1
        for j in range(cuts.size):
            if found != wanted:
                for k in range(start, cuts[j], 4):
                    near = other[place + offsets[k]] | other[place + offsets[k + 1]]
                    near |= other[place + offsets[k + 2]] | other[place + offsets[k + 3]]
                    found |= near & wanted
                    if found == wanted:
                        break
            start = cuts[j]
            counts[j + 1, found] += 1


@compiled
def _or(out: Bytes, one: Bytes) -> None:
    for x in range(out.size):
        out[x] |= one[x]


@compiled
def _or_two(out: Bytes, one: Bytes, two: Bytes) -> None:
    for x in range(out.size):
        out[x] |= one[x] | two[x]


@compiled
def dilate(edges: Bytes, height: int, reach: int, stride: int, widths: Numbers, out: Bytes) -> None:
    """OR over a disk: widths[dy] is how far it reaches to each side at a distance of dy rows.

    Rows are widened by a pixel at a time, and written to the rows at each distance when they are as
    wide as the disk is there."""
    out[:] = 0
    scratch = np.empty(ROWS * stride, np.uint8)
    for row in range(reach, reach + height, ROWS):
        start, size = row * stride, min(ROWS, reach + height - row) * stride
        wide = scratch[:size]
        wide[:] = edges[start : start + size]
        dy = widths.size - 1
        for k in range(widths[0] + 1):
            if k > 0:
                left, right = start - k, start + k
                _or_two(wide, edges[left : left + size], edges[right : right + size])
            while dy >= 0 and widths[dy] == k:
                above, below = start - dy * stride, start + dy * stride
                _or(out[above : above + size], wide)
                if dy > 0:
                    _or(out[below : below + size], wide)
                dy -= 1


@compiled
def _total(sums: np.uint64) -> int:
    """The sum of eight bytes."""
    pairs = (sums & _PAIRS) + (sums >> _U64(8) & _PAIRS)
    return int(pairs * _FOURS >> _U64(48))


@compiled
def _count(one: Words, other: Words, counts: Counts) -> None:
    a = b = c = d = e = f = g = h = _U64(0)
    for i in range(one.size):
        word = one[i] & other[i]
        a += word & _ONES
        b += word >> _U64(1) & _ONES
        c += word >> _U64(2) & _ONES
        d += word >> _U64(3) & _ONES
        e += word >> _U64(4) & _ONES
        f += word >> _U64(5) & _ONES
        g += word >> _U64(6) & _ONES
        h += word >> _U64(7) & _ONES
    for i, sums in enumerate((a, b, c, d, e, f, g, h)):
        counts[i] += _total(sums)


@compiled
def common(one: Words, other: Words, counts: Counts) -> None:
    """Add to counts[i] the bytes that have bit i in both maps."""
    for start in range(0, one.size, WORDS):
        if _any(one[start : start + WORDS]):
            _count(one[start : start + WORDS], other[start : start + WORDS], counts)
