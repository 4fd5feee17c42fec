"""AI-made bases: each from its own caption and seed; a bad one costs no other."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from jobs.editors import Painted
from jobs.generate import generate
from pipeline.config import Config
from pipeline.documents import Source
from pipeline.records import FromSource, Generated, Reject

BAD = {
    "nan": (None, "nan-latents"),
    "black": (np.zeros((64, 64, 3), np.uint8), "constant-image"),
    "red": (np.full((64, 64, 3), (255, 0, 0), np.uint8), "constant-image"),
    "small": (np.eye(32, dtype=np.uint8).repeat(3).reshape(32, 32, 3) * 9, "wrong-size"),
}


class Painter:
    """Noise by seed, except for captions of `BAD`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def inpaint(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray],
        prompts: Sequence[str], seeds: Sequence[int],
    ) -> list[Painted]:  # fmt: skip
        raise NotImplementedError

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        self.asked += [(text, number, size) for text, number in zip(prompts, seeds, strict=True)]
        made = [
            BAD[text][0] if text in BAD
            else np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
            for text, number in zip(prompts, seeds, strict=True)
        ]  # fmt: skip
        return [Painted(one, None if one is not None else "nan-latents") for one in made]


def item(key: str, caption: str, family: str = "clone") -> FromSource:
    source = Source(source_id="s", split="train", base="ai", family=family, caption=caption)
    return FromSource(key, source)


def test_a_caption_becomes_a_picture_of_the_working_resolution(standin: Config) -> None:
    painter = Painter()
    (found,) = generate(painter, standin, [item("0", "a fox")])
    assert isinstance(found, Generated) and found.image.shape == (64, 64, 3)
    ((text, _, size),) = painter.asked
    assert (text, size) == ("a fox", 64)


@pytest.mark.parametrize("caption", BAD)
def test_a_picture_that_shows_nothing_is_declined(standin: Config, caption: str) -> None:
    (found,) = generate(Painter(), standin, [item("0", caption)])
    assert isinstance(found, Reject) and found.reason == BAD[caption][1]


def test_a_bad_picture_costs_no_other(standin: Config) -> None:
    batch = [item(str(i), text) for i, text in enumerate(["a fox", "nan", "red", "a hen"])]
    found = generate(Painter(), standin, batch)
    assert [isinstance(one, Generated) for one in found] == [True, False, False, True]
    (alone,) = generate(Painter(), standin, batch[3:])
    assert isinstance(alone, Generated) and isinstance(found[3], Generated)
    assert (alone.image == found[3].image).all()


def test_every_key_family_and_seed_has_a_draw_of_its_own(
    standin: Config, configured: Callable[..., Config]
) -> None:
    drawn = []
    for config in (standin, configured(seed=8)):
        for family in ("clone", "heal"):
            painter = Painter()
            generate(painter, config, [item(key, "a fox", family) for key in ("0", "1")])
            drawn += [number for _, number, _ in painter.asked]
    assert len(set(drawn)) == 8


def test_a_full_device_halves_the_batch_and_changes_no_picture(standin: Config) -> None:
    class Small(Painter):
        def generate(
            self, prompts: Sequence[str], seeds: Sequence[int], size: int
        ) -> list[Painted]:
            if len(prompts) > 2:
                raise RuntimeError("CUDA error: out of memory")
            return super().generate(prompts, seeds, size)

    batch = [item(str(i), "a fox") for i in range(5)]
    for ours, theirs in zip(generate(Small(), standin, batch), generate(Painter(), standin, batch),
                            strict=True):  # fmt: skip
        assert isinstance(ours, Generated) and isinstance(theirs, Generated)
        assert (ours.image == theirs.image).all()
