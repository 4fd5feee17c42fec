"""Every codec is lossless, and refuses what it is not for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline import codecs, documents
from pipeline.errors import CorruptData
from pipeline.records import Assembled, Sourced, ToEdit

SIDES = st.integers(1, 20)


@given(SIDES.flatmap(lambda n: arrays(np.uint8, (n, n, 3))))
def test_photos_survive(photo: np.ndarray) -> None:
    assert (codecs.decode("Photo", codecs.encode("Photo", photo)) == photo).all()


@given(st.tuples(st.integers(1, 6), SIDES).flatmap(lambda s: arrays(np.bool_, (s[0], s[1], s[1]))))
def test_mask_stacks_survive(masks: np.ndarray) -> None:
    back = codecs.decode("Masks", codecs.encode("Masks", masks))
    assert back.shape == masks.shape and (back == masks).all()


@given(SIDES.flatmap(lambda n: arrays(np.uint8, (n, n))))
def test_label_maps_survive(labels: np.ndarray) -> None:
    assert (codecs.decode("LabelMap", codecs.encode("LabelMap", labels)) == labels).all()


def test_documents_survive() -> None:
    plan = documents.Plan(turns=(documents.Turn(region=1, family="flux", edit="removal"),))
    assert codecs.decode("Plan", codecs.encode("Plan", plan)) == plan


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        ("Photo", np.zeros((4, 4), np.uint8)),
        ("Photo", np.zeros((4, 4, 3), np.float32)),
        ("Masks", np.zeros((4, 4), np.bool_)),
        ("LabelMap", np.zeros((4, 4), np.int64)),
    ],
)
def test_an_array_of_another_kind_is_refused(kind: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=f"not a {kind}"):
        codecs.encode(kind, array)


def test_a_member_of_another_mode_is_refused() -> None:
    grey = codecs.encode("LabelMap", np.zeros((4, 4), np.uint8))
    with pytest.raises(CorruptData, match="mode L, expected RGB"):
        codecs.decode("Photo", grey)


def test_columns_know_what_is_optional() -> None:
    assert codecs.columns(Sourced) == {
        "source": ("Source", False), "image": ("Photo", True), "instances": ("Masks", True),
    }  # fmt: skip
    assert "key" not in codecs.columns(ToEdit)


def test_member_names_are_those_of_the_released_dataset() -> None:
    names = [codecs.member(name, kind) for name, (kind, _) in codecs.columns(Assembled).items()]
    assert names == ["image.png", "mask.png", "turns.png", "sample.json"]


def test_a_strip_of_many_large_masks_survives() -> None:
    """Beyond Pillow's own limit for pictures of unknown origin (179 million pixels)."""
    masks = np.zeros((12, 4096, 4096), np.bool_)
    masks[11, 4095, 4095] = True
    back = codecs.decode("Masks", codecs.encode("Masks", masks))
    assert back.shape == masks.shape and back.sum() == 1 and back[11, 4095, 4095]
