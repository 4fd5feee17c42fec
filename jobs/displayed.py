"""A picture as a viewer shows it: 8-bit RGB, upright; and how well its JPEG was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: Rows of a deep picture that are scaled at once.
BAND = 256
#: First row of the JPEG specification's luminance table (Annex K), for the quality estimate.
_K1 = (16, 11, 10, 16, 24, 40, 51, 61)


def rgb(picture: Picture) -> Picture:
    """8-bit RGB of any mode: 16-bit is scaled down (not clipped), what is deeper still so that its
    brightest pixel is white; transparency goes on white."""
    import numpy as np
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        wide = np.asarray(picture)
        narrow = np.empty(wide.shape, np.uint8)
        bands = [slice(top, top + BAND) for top in range(0, wide.shape[0], BAND)]
        white = 1.0 if picture.mode == "F" else 65535.0
        for rows in bands:
            band = wide[rows].astype(np.float64)
            white = float(band[np.isfinite(band)].max(initial=white))
        for rows in bands:  # a band at a time: eight bytes a number would be much of a large one
            levels = np.nan_to_num(
                wide[rows].astype(np.float64) / white * 255, posinf=255, neginf=0
            )
            narrow[rows] = levels.clip(0, 255).round()
        return Image.fromarray(narrow).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture.convert("RGB")


def upright(picture: Picture, orientation: int) -> Picture:
    """Apply an EXIF orientation (1 to 8)."""
    from PIL import Image

    turn = Image.Transpose
    how = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE,
           6: turn.ROTATE_270, 7: turn.TRANSVERSE, 8: turn.ROTATE_90}.get(orientation)  # fmt: skip
    return picture if how is None else picture.transpose(how)


def turned(picture: Picture) -> int:
    """The EXIF orientation; 1 where EXIF has none that makes sense, as viewers do."""
    try:
        found = picture.getexif().get(0x0112, 1)
    except Exception:  # broken metadata must not cost a good picture
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def jpeg_quality(picture: Any) -> int | None:
    """The quality (1 to 100) that the first luminance row of the quantisation table stands for, by
    the usual scaling of Annex K; None for other formats. A shortcut detectors must not learn, so
    it is recorded."""
    tables = getattr(picture, "quantization", None)
    if picture.format not in ("JPEG", "MPO") or not tables or 0 not in tables:
        return None
    scale = sum(100 * got / base for got, base in zip(tables[0][:8], _K1, strict=True)) / 8
    quality = 5000 / scale if scale > 100 else 100 - scale / 2
    return int(max(1, min(100, round(quality))))
