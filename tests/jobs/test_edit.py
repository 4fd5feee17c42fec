"""One turn: nothing outside the mask changes, and a turn that went wrong does not count."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jobs.edit import Turn
from jobs.editors import Painted
from pipeline.config import Config
from pipeline.documents import EditType, History, Plan, Prompt, Regions
from pipeline.documents import Turn as Step
from pipeline.records import Edited, Reject, ToEdit  # fmt: skip

SIDE = 12
Paint = Callable[[np.ndarray, int], np.ndarray | None]


def invert(image: np.ndarray, _: int) -> np.ndarray:
    return 255 - image


def noise(image: np.ndarray, number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, image.shape, dtype=np.uint8)


class Fake:
    """Paints by a function of (picture, seed); keeps what it was asked, pass by pass."""

    def __init__(self, paint: Paint = noise) -> None:
        self.paint = paint
        self.images: list[list[np.ndarray]] = []
        self.prompts: list[list[str]] = []
        self.seeds: list[list[int]] = []

    def inpaint(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray],
        prompts: Sequence[str], seeds: Sequence[int],
    ) -> list[Painted]:  # fmt: skip
        assert images and len(images) == len(masks) == len(prompts) == len(seeds)
        self.images.append(list(images))
        self.prompts.append(list(prompts))
        self.seeds.append(list(seeds))
        made = [self.paint(image, number) for image, number in zip(images, seeds, strict=True)]
        return [Painted(one, None if one is not None else "nan-latents") for one in made]

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], size: int) -> list[Painted]:
        raise NotImplementedError


def half() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[: SIDE // 2] = True
    return mask


def item(
    mask: np.ndarray | None = None, image: np.ndarray | None = None, key: str = "00000000",
    edit: EditType = "attribute", texts: tuple[str, ...] = ("paint it",),
    history: History | None = None,
) -> ToEdit:  # fmt: skip
    """Region 1 is the one of both turns; region 0 is a decoy."""
    mask = half() if mask is None else mask
    if image is None:
        image = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    steps = tuple(Step(region=1, family="clone", edit=edit) for _ in range(2))
    return ToEdit(key, image, np.stack([~mask, mask]), Regions(regions=()), Plan(turns=steps),
                  Prompt(texts=texts), history)  # fmt: skip


def painted(
    config: Config, painter: Fake, *batch: ToEdit, turn: int = 1
) -> list[Edited | Reject[Edited]]:
    return Turn(config, "clone", turn, painter, "the digest")(batch)


def one(config: Config, painter: Fake, sample: ToEdit, turn: int = 1) -> Edited:
    (found,) = painted(config, painter, sample, turn=turn)
    assert isinstance(found, Edited), found
    return found


def reason(config: Config, painter: Fake, sample: ToEdit) -> str:
    (found,) = painted(config, painter, sample)
    assert isinstance(found, Reject) and found.record is None, found
    return found.reason


MASKS = arrays(np.bool_, (SIDE, SIDE))


@settings(max_examples=80, deadline=None)
@given(MASKS, arrays(np.uint8, (SIDE, SIDE, 3)), st.sampled_from(["attribute", "addition"]))
def test_not_one_pixel_outside_the_mask_changes(
    standin: Config, mask: np.ndarray, image: np.ndarray, edit: EditType
) -> None:
    texts = ("remove", "add") if edit == "addition" else ("change",)
    (found,) = painted(standin, Fake(), item(mask, image, edit=edit, texts=texts))
    if isinstance(found, Reject):
        assert not mask.any() and found.reason == "empty-mask"
    else:
        assert (found.image[~mask] == image[~mask]).all()
        assert (found.image[mask] != image[mask]).any()
        assert found.image.dtype == np.uint8


def test_what_the_painter_made_of_the_mask_is_pasted(standin: Config) -> None:
    sample = item()
    found = one(standin, Fake(invert), sample)
    assert (found.image[half()] == 255 - sample.image[half()]).all()


def test_the_input_is_left_as_it_was(standin: Config) -> None:
    sample = item()
    before = sample.image.copy()
    one(standin, Fake(), sample)
    assert (sample.image == before).all()


def test_full_regeneration_is_kept_and_recorded(configured: Callable[..., Config]) -> None:
    sample = item()
    full = one(configured(editing={"composite": "full"}), Fake(invert), sample)
    assert (full.image == 255 - sample.image).all()
    assert full.history.edits[0].composite == "full"
    assert one(configured(), Fake(invert), sample).history.edits[0].composite == "paste"


# --- gates ---------------------------------------------------------------------------------------


def test_a_picture_that_is_not_finite_is_rejected(standin: Config) -> None:
    assert reason(standin, Fake(lambda *_: None), item()) == "nan-latents"


def test_a_region_of_one_colour_is_rejected(standin: Config) -> None:
    painter = Fake(lambda image, _: np.full_like(image, 7))
    assert reason(standin, painter, item()) == "constant-image"


def test_a_region_of_one_pixel_is_not_constant(standin: Config) -> None:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[5, 5] = True
    assert one(standin, Fake(invert), item(mask)).history.edits[0].changed == 1


def test_an_edit_that_changes_next_to_nothing_is_rejected(standin: Config) -> None:
    assert reason(standin, Fake(lambda image, _: image), item()) == "noop-edit"

    def dot(image: np.ndarray, _: int) -> np.ndarray:
        changed = image.copy()
        changed[0, 0] = 255 - changed[0, 0]
        return changed

    assert reason(standin, Fake(dot), item()) == "noop-edit"


def test_how_much_must_change_is_the_configs(configured: Callable[..., Config]) -> None:
    def row(image: np.ndarray, _: int) -> np.ndarray:
        changed = image.copy()
        changed[0] = 255 - changed[0]  # 12 of the mask's 72 pixels
        return changed

    found = one(configured(editing={"min_changed": 12 / 72}), Fake(row), item())
    assert found.history.edits[0].changed == pytest.approx(12 / 72)
    assert reason(configured(editing={"min_changed": 0.17}), Fake(row), item()) == "noop-edit"


def test_a_pixel_has_changed_if_any_of_its_colours_has(standin: Config) -> None:
    def redder(image: np.ndarray, _: int) -> np.ndarray:
        return np.stack([255 - image[..., 0], image[..., 1], image[..., 2]], -1)

    assert one(standin, Fake(redder), item()).history.edits[0].changed == 1


def test_an_empty_mask_is_rejected_without_asking_the_painter(standin: Config) -> None:
    painter = Fake()
    assert reason(standin, painter, item(np.zeros((SIDE, SIDE), np.bool_))) == "empty-mask"
    assert painter.prompts == []


def test_one_bad_sample_costs_no_other(standin: Config) -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)

    def paint(image: np.ndarray, number: int) -> np.ndarray | None:
        return None if (image == black).all() else noise(image, number)

    batch = [item(key="0"), item(np.zeros((SIDE, SIDE), np.bool_), key="1"),
             item(image=black, key="2"), item(key="3")]  # fmt: skip
    together = painted(standin, Fake(paint), *batch)
    assert [isinstance(found, Edited) for found in together] == [True, False, False, True]
    for sample, found in zip(batch, together, strict=True):
        (alone,) = painted(standin, Fake(paint), sample)
        if isinstance(found, Edited) and isinstance(alone, Edited):
            assert (alone.image == found.image).all() and alone.history == found.history
        else:
            assert alone == found


# --- passes, seeds and history -------------------------------------------------------------------


def test_an_addition_is_painted_twice_removal_first(standin: Config) -> None:
    painter = Fake()
    sample = item(edit="addition", texts=("empty background", "a fox"))
    found = one(standin, painter, sample)
    assert painter.prompts == [["empty background"], ["a fox"]]
    assert (painter.images[0][0] == sample.image).all()
    removed = np.where(half()[..., None], noise(sample.image, painter.seeds[0][0]), sample.image)
    assert (painter.images[1][0] == removed).all(), "the second pass sees what the first painted"
    (edit,) = found.history.edits
    assert edit.prompts == ("empty background", "a fox")
    assert edit.seeds == (painter.seeds[0][0], painter.seeds[1][0])


def test_in_a_mixed_batch_only_additions_have_a_second_pass(standin: Config) -> None:
    painter = Fake()
    batch = [item(key="0"), item(key="1", edit="addition", texts=("gone", "new")), item(key="2")]
    found = painted(standin, painter, *batch)
    assert painter.prompts == [["paint it", "gone", "paint it"], ["new"]]
    passes = [len(one.history.edits[0].seeds) for one in found if isinstance(one, Edited)]
    assert passes == [1, 2, 1]


def test_an_addition_whose_removal_failed_is_not_painted_on(standin: Config) -> None:
    painter = Fake(lambda *_: None)
    assert reason(standin, painter, item(edit="addition", texts=("gone", "new"))) == "nan-latents"
    assert painter.prompts == [["gone"]]


def test_every_key_turn_pass_and_seed_has_a_draw_of_its_own(
    standin: Config, configured: Callable[..., Config]
) -> None:
    drawn: list[int] = []
    for config in (standin, configured(seed=8)):
        for turn in (1, 2):
            for key in ("00000000", "00000001"):
                painter = Fake()
                one(config, painter, item(key=key, edit="addition", texts=("a", "b")), turn)
                drawn += [number for seeds in painter.seeds for number in seeds]
    assert len(set(drawn)) == len(drawn) == 16


def test_the_record_says_what_was_done(configured: Callable[..., Config]) -> None:
    config = configured(editing={"steps": 3, "guidance": 1.5})
    (edit,) = one(config, Fake(invert), item(edit="removal")).history.edits
    assert (edit.turn, edit.region, edit.family, edit.label) == (1, 1, "clone", 1)
    assert (edit.edit, edit.prompts, edit.model) == ("removal", ("paint it",), "the digest")
    assert (edit.steps, edit.guidance) == (3, 1.5)
    assert (edit.area, edit.changed) == (0.5, 1.0)


def test_a_guidance_of_zero_is_not_the_cards(configured: Callable[..., Config]) -> None:
    config = configured(editing={"guidance": 0.0}, families={"sdxl": 4})
    assert Turn(config, "sdxl", 1, Fake(), "").guidance == 0.0
    assert Turn(configured(families={"sdxl": 4}), "sdxl", 1, Fake(), "").guidance > 0


def test_history_grows_by_one_edit(standin: Config) -> None:
    first = one(standin, Fake(), item())
    second = one(standin, Fake(), item(image=first.image, history=first.history), turn=2)
    assert [edit.turn for edit in second.history.edits] == [1, 2]
    assert second.history.edits[0] == first.history.edits[0]


def test_a_turn_that_did_not_count_leaves_no_trace(standin: Config) -> None:
    later = one(standin, Fake(), item(history=None), turn=2)
    assert [edit.turn for edit in later.history.edits] == [2]
