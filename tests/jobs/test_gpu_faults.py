"""What goes wrong on GPUs, in twelve kinds, under each of the eight families: the sample is
declined with the right reason, or the process ends with the right code. Its neighbour is kept."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from jobs.edit import Turn
from jobs.editors import Painted
from pipeline import fallback
from pipeline.config import Config
from pipeline.documents import Plan, Prompt, Regions
from pipeline.documents import Turn as Step
from pipeline.errors import SUSPECT, TRANSIENT, Stopped, explain
from pipeline.records import Edited, Reject, ToEdit  # fmt: skip

FAMILIES = ("sd2", "sd35", "sdxl", "flux", "glide", "kolors", "hunyuan", "kandinsky")
SIDE = 16
Pixels = np.ndarray


def mask() -> np.ndarray:
    found = np.zeros((SIDE, SIDE), np.bool_)
    found[4:12, 4:12] = True
    return found


def painted(image: Pixels, number: int) -> Pixels:
    """A sound edit."""
    found = image.copy()
    drawn = np.random.default_rng(number).integers(0, 256, image.shape, dtype=np.uint8)
    found[mask()] = drawn[mask()]
    return found


def bled(image: Pixels, number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, image.shape, dtype=np.uint8)


#: What comes out of the pipeline for the sample that suffers, and the reason it is declined with.
PICTURES: dict[str, tuple[Callable[[Pixels, int], Painted], str]] = {
    "NaN in the latents": (lambda *_: Painted(None, "nan-latents"), "nan-latents"),
    "safety checker": (lambda *_: Painted(None, "safety-filtered"), "safety-filtered"),
    "all black": (lambda image, _: Painted(np.zeros_like(image)), "constant-image"),
    "one colour": (lambda image, _: Painted(np.full_like(image, 128)), "constant-image"),
    "nothing painted": (lambda image, _: Painted(image.copy()), "noop-edit"),
    "wrong size": (lambda image, n: Painted(painted(image, n)[:8, :8]), "wrong-size"),
    "wrong mode": (lambda image, n: Painted(painted(image, n)[..., :1]), "wrong-size"),
}


class Sick:
    """A family on a sick GPU: the first sample suffers, or the whole call does."""

    def __init__(self, kind: str, room: int = 99) -> None:
        self.kind, self.room, self.calls = kind, room, 0

    def inpaint(
        self, images: Sequence[Pixels], masks: Sequence[np.ndarray],
        prompts: Sequence[str], seeds: Sequence[int],
    ) -> list[Painted]:  # fmt: skip
        self.calls += 1
        if len(images) > self.room:
            raise RuntimeError("CUDA error: out of memory")
        if self.kind == "Xid":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if self.kind == "hang":
            raise Stopped  # the pod's deadline has passed, and the kubelet asks it to end
        made = [Painted(painted(image, n)) for image, n in zip(images, seeds, strict=True)]
        if self.kind in PICTURES and prompts[0] == "first":
            made[0] = PICTURES[self.kind][0](images[0], seeds[0])
        if self.kind == "bleeding":
            made = [Painted(bled(image, n)) for image, n in zip(images, seeds, strict=True)]
        return made

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        raise NotImplementedError


def batch(family: str) -> list[ToEdit]:
    image = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    plan = Plan(turns=(Step(region=0, family=family, edit="attribute"),))
    return [
        ToEdit(f"{i:08d}", image, mask()[None], Regions(regions=()), plan, Prompt(texts=(text,)))
        for i, text in enumerate(("first", "second"))
    ]


def turn(family: str, painter: Sick) -> Turn:
    config = Config(families={name: i for i, name in enumerate(FAMILIES, 1)})
    return Turn(config, family, 1, painter, "m" * 16)


def sound(result: Edited | Reject[Edited], item: ToEdit) -> bool:
    if isinstance(result, Reject):
        return False
    outside = ~item.masks[0]
    return bool((result.image[outside] == item.image[outside]).all())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_went_wrong_is_declined_and_its_neighbour_is_kept(
    kind: str, family: str
) -> None:
    first, second = turn(family, Sick(kind))(batch(family))
    assert isinstance(first, Reject) and first.reason == PICTURES[kind][1]
    assert first.record is None
    assert sound(second, batch(family)[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_bleeds_out_of_the_mask_is_put_back(family: str) -> None:
    items = batch(family)
    for result, item in zip(turn(family, Sick("bleeding"))(items), items, strict=True):
        assert sound(result, item)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_full_device_paints_one_by_one(family: str) -> None:
    fallback.taken()
    items = batch(family)
    results = turn(family, Sick("", room=1))(items)
    assert all(sound(result, item) for result, item in zip(results, items, strict=True))
    notes = [one.history.edits[-1].notes for one in results if isinstance(one, Edited)]
    assert notes == [("batch-of-1",)] * 2
    assert fallback.taken() == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("painter", "code"), [
    (Sick("", room=0), TRANSIENT), (Sick("Xid"), SUSPECT), (Sick("hang"), TRANSIENT),
], ids=["no room for one", "Xid", "hang"])  # fmt: skip
def test_a_device_that_fails_ends_the_process(family: str, painter: Sick, code: int) -> None:
    with pytest.raises(BaseException) as caught:
        turn(family, painter)(batch(family))
    found, sentence = explain(caught.value)
    assert found == code and sentence
