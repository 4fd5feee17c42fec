"""Tiny checkpoints, built once a test session; a stand-in config; odd pictures for a folder."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import config
from pipeline.config import Config

STANDIN = Path(__file__).parent.parent / "data" / "standin.yaml"


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for `jobs.tiny.cache.ensure`; torch keeps to one thread from here on."""
    import torch

    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def standin() -> Config:
    return config.load(str(STANDIN))


@pytest.fixture(scope="session")
def configured(standin: Config) -> Callable[..., Config]:
    """The stand-in config with other values, checked: `configured(bases={"ai_share": 0})`."""

    def make(**changes: Any) -> Config:
        known = standin.model_dump(mode="json")
        for name, value in changes.items():
            merged = isinstance(value, dict) and name in ("bases", "regions", "editing")
            known[name] = known[name] | value if merged else value
        return Config.model_validate(known)

    return make


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """60 x 40 of colour noise, smooth enough for JPEG: no two corners alike."""
    small = np.random.default_rng(5).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((60, 40), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def saved() -> Callable[..., bytes]:
    """The bytes of a picture in a format: `saved(picture, "JPEG", quality=30)`."""

    def save(picture: Image.Image, form: str, **how: Any) -> bytes:
        out = io.BytesIO()
        picture.save(out, form, **how)
        return out.getvalue()

    return save


@pytest.fixture(scope="session")
def bomb() -> Callable[[int], bytes]:
    """A valid PNG, black and white, of `side` x `side` pixels: some tens of kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    def make(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        lines = zlib.compress(bytes((side + 7) // 8 + 1) * side, 1)
        return (
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines)
            + chunk(b"IEND", b"")
        )  # fmt: skip

    return make
