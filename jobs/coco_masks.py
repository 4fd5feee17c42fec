"""The mask of a COCO annotation: polygons, or a run-length code in either of its two forms.

What pycocotools would end the process at, or answer with memory as it found it, is refused first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The longest outline, as a multiple of width + height.
ROUNDS = 64


def decoded(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_] | None:
    """(height, width) bool at the file's `size` (width, height); None if it is no usable mask."""
    width, height = size
    try:
        if isinstance(segmentation, dict):
            plane = _runs(segmentation, height, width)
        else:
            plane = _polygons(segmentation, height, width)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None
    return plane if plane.any() else None


def _polygons(rings: list[list[float]], height: int, width: int) -> NDArray[np.bool_]:
    """Raises ValueError, TypeError or OverflowError for what is none. pycocotools ends the process
    at coordinates that are not finite or far outside, so they are judged first."""
    import numpy as np
    from pycocotools import mask as coco

    usable = [np.array(ring, np.float64) for ring in rings if len(ring) >= 6]
    reach = 4 * max(height, width)
    if not usable or not all(ring.ndim == 1 and (abs(ring) <= reach).all() for ring in usable):
        raise ValueError("no polygon within reach of the picture")
    steps = sum(float(abs(ring[2:] - ring[:-2]).sum()) for ring in usable)
    if steps > ROUNDS * (height + width):  # pycocotools takes some 60 bytes for each pixel of line
        raise ValueError("lines of a length that no outline has")
    code = coco.merge(coco.frPyObjects([ring.tolist() for ring in usable], height, width))
    return _runs({"size": code["size"], "counts": code["counts"].decode()}, height, width)


def _runs(code: dict[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """COCO's run-length code, column by column, as a list or packed in a string. pycocotools leaves
    memory as it found it where the runs do not fill the picture; here that is a ValueError."""
    import numpy as np

    if list(code["size"]) != [height, width]:
        raise ValueError("another size than the picture's")
    counts = _unpacked(code["counts"]) if isinstance(code["counts"], str) else code["counts"]
    if any(int(count) != count or count < 0 for count in counts) or sum(counts) != height * width:
        raise ValueError("the runs do not fill the picture")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, np.array(counts, np.int64)).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """The runs of a packed string: six bits a character, each run less the one before the last."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        run, shift, more = 0, 0, True
        while more:
            if shift > 60:  # no picture has such runs, and numbers of any length cost any time
                raise ValueError("a run of more than 60 bits")
            bits = ord(text[place]) - 48
            run |= (bits & 31) << shift
            place, shift, more = place + 1, shift + 5, bool(bits & 32)
        if bits & 16:
            run -= 1 << shift
        counts.append(run + counts[-2] if len(counts) > 2 else run)
    return counts
