"""The photographs' encoder writes what every reader reads, the same bytes each time."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pipeline import png


@given(st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)))  # fmt: skip
def test_every_picture_survives(photo: np.ndarray) -> None:
    raw = png.encode(photo)
    with Image.open(io.BytesIO(raw), formats=("PNG",)) as picture:
        picture.verify()  # every checksum
    with Image.open(io.BytesIO(raw)) as picture:
        assert (picture.mode, picture.info) == ("RGB", {})
        assert (np.asarray(picture) == photo).all()
    assert raw == png.encode(photo)


def test_a_view_is_encoded_as_its_copy() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    assert png.encode(photo[::2, ::-1]) == png.encode(photo[::2, ::-1].copy())


@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
def test_other_readers_agree() -> None:
    import torch
    from torchvision.io import decode_png

    photo = np.random.default_rng(1).integers(0, 256, (33, 65, 3), np.uint8)
    seen = decode_png(torch.frombuffer(bytearray(png.encode(photo)), dtype=torch.uint8))
    assert (seen.permute(1, 2, 0).numpy() == photo).all()


def test_the_bytes_are_pinned() -> None:
    """Another libdeflate would make another dataset digest: then this says so."""
    down, across = np.mgrid[:256, :256]
    photo = np.stack([down ^ across, down * across >> 8, down + across], -1).astype(np.uint8)
    assert hashlib.sha256(png.encode(photo)).hexdigest()[:16] == "6798bc3f902efc47"
