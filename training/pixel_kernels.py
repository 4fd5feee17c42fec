"""Compiled loops over pixels: pairs of labels, and the likeliest class. Import inside functions.

Inner loops are functions of slices from 0 to n: an index with an offset may be below zero for all
that the compiler knows, and then it does not use vector instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.floating[Any]]

#: Pixels at a time: what is written for them is read again from the nearest cache.
CHUNK = 8192
#: Planes of logits are read from memory fastest in long rows, one plane after the other.
CHUNK_PLANES = 2**18
#: Less where pixels lie apart: at 4096 bytes between two classes they would share cache lines.
CHUNK_LAST = 128
_1, _2, _3, _4, _5, _6, _7 = (np.uint64(8 * i) for i in range(1, 8))
_LOW = np.uint64(255)


@compiled
def _codes(
    gt: Bytes, pred: Bytes, ignore: np.uint8, classes: np.uint8, bad: np.uint8, out: Bytes
) -> None:
    """A byte for each pair, row * bad + column: row `classes` is an ignored pixel, row `bad`
    (classes + 1) and column `classes` a label that is none."""
    for x in range(out.size):
        truth, guess = gt[x], pred[x]
        row = truth if truth < classes else bad
        row = classes if truth == ignore else row
        col = guess if guess < classes else classes
        out[x] = row * bad + col


@compiled
def _tally(words: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
    """Count bytes, eight a word. Eight equal ones count at once, and longer runs when they end; the
    others go to four counters in turn, so that none waits for the last addition to itself."""
    first, second, third, fourth = counts[0], counts[1], counts[2], counts[3]
    last, run = words[0], 0
    if last != (last << _1 | last >> _7):
        last = np.uint64(0)
    for i in range(words.size):
        word = words[i]
        if word == last:
            run += 8
        elif word == (word << _1 | word >> _7):
            first[last & _LOW] += run
            last, run = word, 8
        else:
            first[word & _LOW] += 1
            second[word >> _1 & _LOW] += 1
            third[word >> _2 & _LOW] += 1
            fourth[word >> _3 & _LOW] += 1
            first[word >> _4 & _LOW] += 1
            second[word >> _5 & _LOW] += 1
            third[word >> _6 & _LOW] += 1
            fourth[word >> _7] += 1
    first[last & _LOW] += run


@compiled
def pairs(
    gt: Bytes, pred: Bytes, ignore: np.uint8, classes: np.uint8, counts: NDArray[np.int64]
) -> None:
    """Add the pixels of each pair (gt, pred), both (N,), to `counts` (4, 256): its sum over axis 0
    is the matrix of `_codes`, row by row. At most 14 classes: 16 * 15 codes fit in a byte."""
    bad = np.uint8(classes + 1)
    words = np.empty(CHUNK // 8, np.uint64)
    codes = words.view(np.uint8)
    for start in range(0, gt.size, CHUNK):
        size = min(CHUNK, gt.size - start)
        stop = start + size
        _codes(gt[start:stop], pred[start:stop], ignore, classes, bad, codes[:size])
        if size >= 8:
            _tally(words[: size // 8], counts)
        for x in range(size // 8 * 8, size):
            counts[0, codes[x]] += 1


@compiled
def _challenge(best: Floats, row: Floats, label: np.uint8, out: Bytes) -> None:
    """`label` wins where its logit is above the best so far, or the first nan, as in argmax."""
    for x in range(best.size):
        mine, theirs = row[x], best[x]
        wins = (not (mine <= theirs)) & (theirs == theirs)
        best[x] = mine if wins else theirs
        out[x] = label if wins else out[x]


@compiled
def likeliest_planes(logits: Floats, out: Bytes) -> None:
    """(C, N) -> (N,)"""
    best = np.empty(min(CHUNK_PLANES, out.size), logits.dtype)
    for start in range(0, out.size, CHUNK_PLANES):
        stop = min(start + CHUNK_PLANES, out.size)
        some, labels = best[: stop - start], out[start:stop]
        some[:], labels[:] = logits[0, start:stop], 0
        for label in range(1, logits.shape[0]):
            _challenge(some, logits[label, start:stop], np.uint8(label), labels)


@compiled
def likeliest_last(logits: Floats, out: Bytes) -> None:
    """(N, C) -> (N,)"""
    classes = logits.shape[1]
    planes = np.empty((classes, CHUNK_LAST), logits.dtype)
    for start in range(0, out.size, CHUNK_LAST):
        size = min(CHUNK_LAST, out.size - start)
        for x in range(size):
            pixel = logits[start + x]
            for label in range(classes):
                planes[label, x] = pixel[label]
        labels = out[start : start + size]
        labels[:] = 0
        for label in range(1, classes):
            _challenge(planes[0, :size], planes[label, :size], np.uint8(label), labels)
