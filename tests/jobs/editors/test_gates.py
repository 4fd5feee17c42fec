"""Each gate alone: what it lets through and what it stops, at its very edge."""

import numpy as np
import pytest

from jobs.editors import Painted
from jobs.editors.gates import BLACK, CONSTANT, NOTICEABLE, blank, edited, made, moved
from pipeline.records import Reject

SIDE = 8
MASK = np.zeros((SIDE, SIDE), np.bool_)
MASK[:4] = True
NOISE = np.random.default_rng(0).integers(16, 200, (SIDE, SIDE, 3), np.uint8)


def why(found: object) -> str:
    return found.reason if isinstance(found, Reject) else ""


@pytest.mark.parametrize("fault", ["nan-latents", "safety-filtered", "wrong-size"])
def test_what_a_family_says_is_the_reason(fault: str) -> None:
    assert why(made(Painted(None, fault), SIDE)) == fault  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pixels",
    [NOISE[:4], NOISE[..., 0], NOISE[..., :2], NOISE.astype(np.float32), NOISE.astype(np.int16),
     np.concatenate([NOISE, NOISE[..., :1]], axis=-1)],
    ids=["size", "grey", "two channels", "floats", "sixteen bits", "alpha"],
)  # fmt: skip
def test_another_size_or_mode_is_stopped(pixels: np.ndarray) -> None:
    assert why(made(Painted(pixels), SIDE)) == "wrong-size"


def test_a_sound_picture_comes_back() -> None:
    assert made(Painted(NOISE), SIDE) is NOISE


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("span", [0, CONSTANT, CONSTANT + 1])
def test_a_picture_of_one_colour_is_stopped(level: int, span: int) -> None:
    flat = np.full((SIDE, SIDE, 3), level, np.uint8)
    flat[0, 0, 1] = level - span if level else span
    assert why(made(Painted(flat), SIDE)) == ("constant-image" if span <= CONSTANT or not level
                                             else "")  # fmt: skip


def test_black_is_stopped_though_it_is_not_constant() -> None:
    dark = np.random.default_rng(0).integers(0, BLACK + 1, (SIDE, SIDE, 3), np.uint8)
    found = made(Painted(dark), SIDE)
    assert isinstance(found, Reject) and "black" in found.detail
    dark[0, 0] = BLACK + 1
    assert why(made(Painted(dark), SIDE)) == ""


def test_a_single_pixel_is_not_constant() -> None:
    assert blank(np.array([[9, 9, 9]], np.uint8)) is None


@pytest.mark.parametrize("paste", [True, False])
def test_one_stray_pixel_outside_the_mask_is_stopped_where_edits_are_pasted(paste: bool) -> None:
    after = np.where(MASK[..., None], 255 - NOISE, NOISE)
    assert edited(moved(NOISE, after), MASK, after, least=0.05, paste=True) is None
    after[7, 7, 2] ^= 1
    assert why(edited(moved(NOISE, after), MASK, after, least=0.05, paste=paste)) == (
        "outside-mask" if paste else ""
    )


def test_what_an_autoencoder_alone_does_is_no_edit() -> None:
    trace = np.random.default_rng(1).integers(-NOTICEABLE + 1, NOTICEABLE, NOISE.shape)
    after = np.where(MASK[..., None], NOISE + trace, NOISE).astype(np.uint8)
    assert (after[MASK] != NOISE[MASK]).any(axis=-1).mean() > 0.9
    assert why(edited(moved(NOISE, after), MASK, after, least=0.05, paste=True)) == "noop-edit"


@pytest.mark.parametrize(("rows", "reason"), [(1, "noop-edit"), (2, "")])
def test_enough_of_the_mask_must_change(rows: int, reason: str) -> None:
    after = NOISE.copy()
    after[:rows] += NOTICEABLE
    assert why(edited(moved(NOISE, after), MASK, after, least=0.5, paste=True)) == reason


def test_one_colour_inside_the_mask_is_stopped() -> None:
    after = np.where(MASK[..., None], np.uint8(250), NOISE)
    assert why(edited(moved(NOISE, after), MASK, after, least=0.05, paste=True)) == "constant-image"


def test_how_far_a_pixel_moved_is_its_channel_that_moved_most() -> None:
    before = np.array([[[0, 10, 255], [9, 9, 9]]], np.uint8)
    after = np.array([[[255, 12, 250], [9, 9, 9]]], np.uint8)
    assert moved(before, after).tolist() == moved(after, before).tolist() == [[255, 0]]


@pytest.mark.parametrize("at", [0, 7777, 40000 - 1])
def test_a_large_picture_of_one_colour_but_for_one_pixel_is_not_blank(at: int) -> None:
    flat = np.full((40000, 3), 90, np.uint8)
    assert why(blank(flat)) == "constant-image"
    flat[at] = 99
    assert blank(flat) is None
