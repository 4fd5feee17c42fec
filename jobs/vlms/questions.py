"""What a vision-language model is asked: pictures and texts, as chat messages.

The texts are templates beside this file. What a user or a model called something enters them as a
quoted JSON string without `<`, so that it can neither end the quotation nor name one of the model's
own control tokens.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from jobs.vlms import Judged, Wish

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
    Mask = NDArray[np.bool_]  # (H, W)

Chat = list[dict[str, Any]]
HERE = Path(__file__).parent
TEMPLATES, EXAMPLES = HERE / "templates", HERE / "examples"
#: Worked examples of scoring, a picture and its answer each, in the order they are shown.
SHOWN = ("natural", "unnatural")
#: Most letters of a name that are shown.
NAME = 80
MAGENTA = (255, 0, 255)
#: A close-up's side, as a multiple of its region's longer one, and the least, in pixels.
CLOSE, LEAST = 1.5, 56


@cache
def _template(name: str) -> str:
    return (TEMPLATES / f"{name}.txt").read_text().strip()


def quoted(text: str) -> str:
    """The beginning of `text` as a JSON string in ASCII without angle brackets."""
    return json.dumps(text[:NAME]).replace("<", "\\u003c").replace(">", "\\u003e")


def propose(image: Pixels, most: int, side: int) -> Chat:
    """The picture, and the request to name at most `most` objects."""
    text = Template(_template("propose")).substitute(most=most)
    return [_user(text, _sized(image, side))]


def prompt(wish: Wish, side: int) -> Chat:
    """The picture with its region outlined, the region close up, and what kind of edit is meant."""
    text = Template(_template(wish.edit)).substitute(name=quoted(wish.region.name))
    whole = _sized(outlined(wish.image, wish.mask), side)
    return [_user(text, whole, _sized(close_up(wish.image, wish.mask), side))]


def score(item: Judged, side: int) -> Chat:
    """Two worked examples, then the picture, all with the same question (paper, appendix B)."""
    from PIL import Image

    question, chat = _template("score"), []
    for name in SHOWN:
        with Image.open(EXAMPLES / f"{name}.png") as picture:
            chat.append(_user(question, picture.convert("RGB")))
        answer = (EXAMPLES / f"{name}.txt").read_text().strip()
        chat.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return [*chat, _user(question, _sized(item.image, side))]


def again(chat: Chat) -> Chat:
    """The same question, with the remark that the first answer could not be read. The answer
    itself is not shown: nothing that a model said reaches a question but as a quoted name."""
    last = chat[-1]
    remark = {"type": "text", "text": "\n\n" + _template("again")}
    return [*chat[:-1], {**last, "content": [*last["content"], remark]}]


def outlined(image: Pixels, mask: Mask) -> Pixels:
    """`image` with a magenta line around `mask`, just outside it."""
    import numpy as np
    from scipy.ndimage import binary_dilation

    line = binary_dilation(mask, iterations=max(2, max(mask.shape) // 200)) & ~mask
    return np.where(line[..., None], np.array(MAGENTA, np.uint8), image)


def close_up(image: Pixels, mask: Mask) -> Pixels:
    """The square around `mask` with a margin, within the picture; all of it for an empty mask."""
    import numpy as np

    if not mask.any():
        return image
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = min(max(int(extent * CLOSE), LEAST), *mask.shape)
    top = _start(rows, side, mask.shape[0])
    left = _start(columns, side, mask.shape[1])
    return image[top : top + side, left : left + side]


def _start(lines: NDArray[np.intp], side: int, whole: int) -> int:
    """Where a span of `side` around `lines` begins, so that it lies within `whole`."""
    middle = int(lines[0] + lines[-1] + 1) // 2
    return min(max(middle - side // 2, 0), whole - side)


def _sized(image: Pixels, side: int) -> Image:
    """A picture whose longer side is `side` at most."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def _user(text: str, *pictures: Image) -> dict[str, Any]:
    shown = [{"type": "image", "image": picture} for picture in pictures]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}
