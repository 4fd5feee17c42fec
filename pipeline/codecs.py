"""From a record's field to the bytes of a tar member and back, by the field's type name.

Everything is lossless. An edited and an unedited picture go through the same encoder, so that the
container tells no class apart.
"""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel

from pipeline import documents, png
from pipeline.errors import CorruptData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
EXTENSION = {
    "Photo": "png", "Masks": "png", "LabelMap": "png",
    "Weights": "safetensors", "Page": "html", "Text": "md", "Table": "parquet",
}  # fmt: skip


def columns(record: type[Any]) -> dict[str, tuple[str, bool]]:
    """Field -> (type name, optional) of a record, without the sample's key."""
    found = {}
    for field in dataclasses.fields(record):
        kind = str(field.type)
        if field.name != "key":
            found[field.name] = (kind.removesuffix(" | None"), kind.endswith(" | None"))
    return found


def member(field: str, kind: str) -> str:
    """`image`, `Photo` -> `image.png`: the member's name after the sample's key."""
    return f"{field}.{EXTENSION.get(kind, 'json')}"


def encode(kind: str, value: Any) -> bytes:
    """The member's bytes. Raises ValueError for an array of another shape or dtype."""
    if isinstance(value, BaseModel):
        return value.model_dump_json().encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return _png(kind, value)


def decode(kind: str, raw: bytes) -> Any:
    """The inverse of `encode`."""
    if kind in ("Photo", "Masks", "LabelMap"):
        return _pixels(kind, raw)
    if kind in ("Page", "Text"):
        return raw.decode()
    if kind in EXTENSION:
        return raw
    return document(kind, raw)


def document(kind: str, raw: bytes) -> BaseModel:
    model = cast(type[BaseModel], getattr(documents, kind))
    return model.model_validate_json(raw)


def _png(kind: str, array: NDArray[Any]) -> bytes:
    import numpy as np
    from PIL import Image

    wanted = {"Photo": (3, np.uint8), "Masks": (3, np.bool_), "LabelMap": (2, np.uint8)}[kind]
    if (array.ndim, array.dtype.type) != wanted:
        raise ValueError(f"not a {kind}: shape {array.shape}, dtype {array.dtype}")
    if kind == "Photo":
        return png.encode(array)
    if kind == "Masks":
        planes, height, width = array.shape
        picture = Image.fromarray(array.reshape(planes * height, width))
    else:
        picture = Image.fromarray(np.ascontiguousarray(array))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _pixels(kind: str, raw: bytes) -> NDArray[Any]:
    import numpy as np
    from PIL import Image

    mode = {"Photo": "RGB", "Masks": "1", "LabelMap": "L"}[kind]
    # Our own strips of many masks are tall; what is read here was bounded when it was written.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(raw), formats=("PNG",)) as picture:
        if picture.mode != mode:
            raise CorruptData(f"a {kind} member is of mode {picture.mode}, expected {mode}")
        array: NDArray[np.uint8] = np.array(picture)
    if kind != "Masks":
        return array
    height, width = array.shape
    return array.astype(np.bool_).reshape(height // width, width, width)
