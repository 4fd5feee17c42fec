"""The worked examples of scoring are ours: made from two sample photographs by our CPU editors.

`python -m tests.jobs.vlms.test_examples` makes them anew.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.editors.clone import Clone
from jobs.editors.heal import Heal
from jobs.vlms import replies
from jobs.vlms.questions import EXAMPLES, SHOWN
from pipeline.documents import Score

PHOTOS = Path(__file__).parents[2] / "data" / "photos" / "images"
SIDE = 224


def natural() -> np.ndarray:
    """A launch pad, one of its thin towers healed away: a faint streak is left."""
    image, mask = _crop("rocket", (150, 0, 577, 427)), np.zeros((SIDE, SIDE), np.bool_)
    mask[50:212, 150:168] = True
    (healed,) = Heal().inpaint([image], [mask], ["x"], [1])
    assert healed.pixels is not None
    return np.where(mask[..., None], healed.pixels, image)


def unnatural() -> np.ndarray:
    """A cat, another part of the picture stamped over one eye."""
    image = _crop("chelsea", (60, 0, 360, 300))
    down, across = np.mgrid[:SIDE, :SIDE]
    mask = ((across - 95) / 42) ** 2 + ((down - 80) / 34) ** 2 <= 1
    (stamped,) = Clone().inpaint([image], [mask], ["x"], [1])
    assert stamped.pixels is not None
    return np.where(mask[..., None], stamped.pixels, image)


def _crop(name: str, box: tuple[int, int, int, int]) -> np.ndarray:
    with Image.open(PHOTOS / f"{name}.jpg") as photo:
        return np.asarray(photo.convert("RGB").crop(box).resize((SIDE, SIDE), 1))


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_is_what_the_editors_made(name: str) -> None:
    with Image.open(EXAMPLES / f"{name}.png") as shipped:
        pixels = np.asarray(shipped).astype(int)
    made = {"natural": natural, "unnatural": unnatural}[name]()
    assert pixels.shape == made.shape == (SIDE, SIDE, 3)
    assert np.abs(pixels - made).mean() < 1, "JPEG decoders differ by a level here and there"


def test_their_answers_are_of_the_form_asked_for() -> None:
    answers = [replies.score((EXAMPLES / f"{name}.txt").read_text().strip()) for name in SHOWN]
    assert [answer.score for answer in answers if isinstance(answer, Score)] == [4, 1]


def test_they_are_small_and_nothing_else_is_there() -> None:
    files = {path.name: path.stat().st_size for path in EXAMPLES.iterdir()}
    assert set(files) == {f"{name}.{end}" for name in SHOWN for end in ("png", "txt")} | {
        "CREDITS.md"
    }
    assert sum(files.values()) < 250_000


if __name__ == "__main__":
    for name, make in (("natural", natural), ("unnatural", unnatural)):
        Image.fromarray(make()).save(EXAMPLES / f"{name}.png", optimize=True)
