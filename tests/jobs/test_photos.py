"""Every kind of bad or odd picture gets a clear answer, and a good one its right pixels."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from jobs.photos import Refused, Sight, crop_mask, see
from pipeline.config import Bases
from pipeline.photographs import SUFFIXES

RULES = Bases(min_side=8)
Save = Callable[..., bytes]
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Sight]:
    def seen(data: bytes, name: str = "a.jpg") -> Sight:
        (tmp_path / name).write_bytes(data)
        return see(tmp_path / name, RULES)

    return seen


@pytest.fixture
def refused(look: Callable[..., Sight]) -> Callable[..., Refused]:
    def why(data: bytes) -> Refused:
        with pytest.raises(Refused) as caught:
            look(data)
        return caught.value

    return why


def pixels(sight: Sight) -> np.ndarray:
    assert sight.picture.mode == "RGB"
    return np.asarray(sight.picture)


def blank(width: int, height: int) -> Sight:
    return Sight(Image.new("RGB", (width, height)), (width, height), 1, "RGB", None, "")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"I am a letter, not a photograph.\n" * 40, "UnidentifiedImageError"),
        (b"\xff\xd8\xff\xe0", "not a picture"),
        (b"\0" * 5000, "UnidentifiedImageError"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "UnidentifiedImageError"),
    ],
)
def test_a_file_that_is_no_picture_is_unreadable(
    refused: Callable[..., Refused], data: bytes, says: str
) -> None:
    why = refused(data)
    assert why.reason == "unreadable-image" and says in str(why)


def test_a_format_that_is_not_on_the_list_is_unreadable_under_any_name(
    refused: Callable[..., Refused], photo: Image.Image, saved: Save
) -> None:
    assert refused(saved(photo, "GIF")).reason == "unreadable-image"
    assert refused(saved(photo, "ICO")).reason == "unreadable-image"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.98])
def test_a_file_that_ends_too_early_is_truncated(
    refused: Callable[..., Refused], photo: Image.Image, saved: Save, form: str, share: float
) -> None:
    whole = saved(photo, form)
    if form == "PNG":  # what matters ends with the pixels, before the last 12 bytes
        share -= 0.01
    assert refused(whole[: int(len(whole) * share)]).reason == "truncated-image"


def test_truncated_pictures_stay_refused_whatever_others_have_set(
    refused: Callable[..., Refused], photo: Image.Image, saved: Save,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert refused(saved(photo, "JPEG")[:-100]).reason == "truncated-image"


@pytest.mark.parametrize("side", [20_000, 13_000])
def test_a_decompression_bomb_is_judged_before_it_is_decoded(
    refused: Callable[..., Refused], bomb: Callable[[int], bytes], side: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def decode(*_: object) -> None:
        raise AssertionError("a bomb was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    data = bomb(side)
    assert len(data) < 500_000
    assert refused(data).reason == "image-too-large"


def test_the_limit_of_pixels_is_exact(
    tmp_path: Path, bomb: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(bomb(100))
    assert see(tmp_path / "a.png", Bases(max_pixels=10_000)).size == (100, 100)
    with pytest.raises(Refused, match=r"100 x 100 pixels, bases\.max_pixels is 9999"):
        see(tmp_path / "a.png", Bases(max_pixels=9_999))


def test_a_huge_file_is_refused_without_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "a.tif", "wb") as sparse:
        sparse.truncate(513 << 20)
    monkeypatch.setattr(Path, "read_bytes", None)
    with pytest.raises(Refused, match="513 MiB on disk") as caught:
        see(tmp_path / "a.tif", RULES)
    assert caught.value.reason == "image-too-large"


@pytest.mark.parametrize("size", [(1, 1), (7, 400), (400, 7)])
def test_a_picture_of_a_side_that_is_too_short_is_too_small(
    refused: Callable[..., Refused], saved: Save, size: tuple[int, int]
) -> None:
    why = refused(saved(Image.new("RGB", size), "PNG"))
    assert why.reason == "image-too-small" and "bases.min_side is 8" in str(why)


def test_a_picture_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jpg", None):
        with pytest.raises(Refused) as caught:
            see(path, RULES)
        assert caught.value.reason == "missing-file"


def test_missing_rights_are_not_the_pictures_fault(
    look: Callable[..., Sight], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(PermissionError):
        look(b"any")


@pytest.mark.parametrize("form", FORMATS)
@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_no_damage_gives_anything_but_a_picture_or_a_reason(
    look: Callable[..., Sight], photo: Image.Image, saved: Save, form: str, data: st.DataObject
) -> None:
    raw = bytearray(saved(photo, form))
    near = st.one_of(st.integers(0, 200), st.integers(0, len(raw) - 1))  # headers matter most
    for place in data.draw(st.lists(near, min_size=1, max_size=6)):
        raw[place % len(raw)] = data.draw(st.integers(0, 255))
    try:
        assert pixels(look(bytes(raw))).ndim == 3
    except Refused as why:
        assert why.reason in (
            "unreadable-image", "truncated-image", "image-too-small", "image-too-large"
        )  # fmt: skip


# --- what is odd, but fine -----------------------------------------------------------------------


def test_every_suffix_we_look_for_is_one_we_can_open(
    look: Callable[..., Sight], photo: Image.Image, tmp_path: Path
) -> None:
    for suffix in SUFFIXES:
        photo.save(tmp_path / f"a{suffix}")
        assert see(tmp_path / f"a{suffix}", RULES).size == photo.size


def test_a_wrong_suffix_does_no_harm(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    assert (pixels(look(saved(photo, "PNG"), "really-a-png.jpg")) == np.asarray(photo)).all()


def test_lossless_pictures_keep_every_pixel(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    for data in (saved(photo, "PNG"), saved(photo, "TIFF", compression="tiff_lzw"),
                 saved(photo, "BMP"), saved(photo, "WEBP", lossless=True)):  # fmt: skip
        assert (pixels(look(data)) == np.asarray(photo)).all()


def test_cmyk_jpegs_come_out_in_their_colours(look: Callable[..., Sight], saved: Save) -> None:
    sight = look(saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG", quality=95))
    assert sight.mode == "CMYK"
    assert abs(pixels(sight).astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(
    look: Callable[..., Sight], saved: Save, form: str
) -> None:
    ramp = np.linspace(0, 65535, 256 * 16).reshape(16, 256).astype(np.uint16)
    grey = pixels(look(saved(Image.fromarray(ramp), form))).astype(int)
    assert abs(grey - (ramp / 65535 * 255)[..., None]).max() <= 0.51
    middle = saved(Image.fromarray(np.full((16, 16), 32768, np.uint16)), form)
    assert (pixels(look(middle)) == 128).all()


def test_dark_sixteen_bit_pictures_stay_dark(look: Callable[..., Sight], saved: Save) -> None:
    dark = saved(Image.fromarray(np.full((16, 16), 2570, np.uint16)), "PNG")
    assert (pixels(look(dark)) == 10).all()


def test_integers_of_32_bits_are_scaled_to_their_brightest(
    look: Callable[..., Sight], saved: Save
) -> None:
    deep = np.zeros((16, 16), np.int32)
    deep[:, 8:], deep[0] = 1 << 29, 1 << 30
    seen = pixels(look(saved(Image.fromarray(deep), "TIFF")))
    assert seen[0, 0, 0] == 255 and seen[5, 9, 0] == 128 and seen[5, 0, 0] == 0


def test_floats_are_scaled_and_what_is_no_number_is_black(
    look: Callable[..., Sight], saved: Save
) -> None:
    values = np.full((16, 16), 0.5, np.float32)
    values[0, :4] = (np.nan, np.inf, -np.inf, -3)
    seen = pixels(look(saved(Image.fromarray(values), "TIFF")))
    assert seen[0, :4, 0].tolist() == [0, 255, 0, 0] and (seen[1:] == 128).all()
    bright = pixels(look(saved(Image.fromarray(values[1:] * 400), "TIFF")))
    assert (bright == 255).all()
    nothing = np.full((16, 16), np.nan, np.float32)
    assert (pixels(look(saved(Image.fromarray(nothing), "TIFF"))) == 0).all()


def test_grey_pictures_become_rgb(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    grey = photo.convert("L")
    seen = look(saved(grey, "PNG"))
    assert seen.mode == "L" and (pixels(seen) == np.asarray(grey)[..., None]).all()


def test_one_bit_pictures_become_black_and_white(look: Callable[..., Sight], saved: Save) -> None:
    chess = np.indices((16, 16)).sum(0) % 2 == 1
    seen = look(saved(Image.fromarray(chess), "PNG"))
    assert seen.mode == "1" and (pixels(seen) == chess[..., None] * 255).all()


def test_transparency_lies_on_white(look: Callable[..., Sight], saved: Save) -> None:
    layer = Image.new("RGBA", (16, 16), (200, 0, 0, 255))
    layer.paste((0, 0, 200, 0), (0, 0, 8, 16))
    layer.paste((0, 0, 0, 128), (8, 0, 16, 8))
    seen = pixels(look(saved(layer, "PNG")))
    assert seen[4, 4].tolist() == [255, 255, 255]
    assert seen[12, 12].tolist() == [200, 0, 0]
    assert abs(seen[4, 12].astype(int) - 127).max() <= 1
    grey = look(saved(Image.new("LA", (16, 16), (9, 0)), "PNG"))
    assert grey.mode == "LA" and (pixels(grey) == 255).all()


def test_a_palettes_transparent_colour_lies_on_white(
    look: Callable[..., Sight], saved: Save
) -> None:
    indexed = Image.new("P", (16, 16), 1)
    indexed.putpalette([0, 0, 0, 250, 10, 20])
    indexed.paste(0, (0, 0, 8, 16))
    seen = look(saved(indexed, "PNG", transparency=0))
    assert seen.mode == "P"
    assert pixels(seen)[0, 0].tolist() == [255, 255, 255]
    assert pixels(seen)[0, 15].tolist() == [250, 10, 20]
    assert pixels(look(saved(indexed, "PNG")))[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", ["TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_is_taken(
    look: Callable[..., Sight], photo: Image.Image, saved: Save, form: str
) -> None:
    how = {"lossless": True} if form == "WEBP" else {}
    others = [ImageOps.invert(photo), ImageOps.mirror(photo)]
    seen = look(saved(photo, form, save_all=True, append_images=others, **how))
    assert (pixels(seen) == np.asarray(photo)).all()


# --- EXIF ----------------------------------------------------------------------------------------


def exif(kind: int, count: int, value: bytes) -> bytes:
    """An EXIF block with an orientation of any type and value."""
    entry = struct.pack(">HHHI", 1, 0x0112, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + entry + bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_and_masks_agree_with_the_displayed_picture(
    look: Callable[..., Sight], saved: Save, form: str, orientation: int
) -> None:
    stored = np.full((32, 48, 3), 255, np.uint8)
    stored[4:12, 6:22] = (255, 0, 0)  # off the middle both ways, and longer than high
    tag = Image.Exif()
    tag[0x0112] = orientation
    how = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(form, {})
    sight = look(saved(Image.fromarray(stored), form, exif=tag, **how))

    displayed = Image.fromarray(stored)
    displayed.getexif()[0x0112] = orientation
    displayed = ImageOps.exif_transpose(displayed)
    assert abs(pixels(sight).astype(int) - np.asarray(displayed)).max() < 60
    assert (sight.stored_size, sight.orientation) == ((48, 32), orientation)
    assert sight.size == displayed.size

    mask = stored[..., 1] == 0
    image, box = sight.crop(32, None)
    assert crop_mask(mask, sight.orientation, box, 32).sum() > 60
    for seed in range(5):
        image, box = sight.crop(32, np.random.default_rng(seed))
        plane = crop_mask(mask, sight.orientation, box, 32)
        assert (plane != (image[..., 1] < 128)).mean() < 0.02


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0" + b"garbage" * 9,
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        exif(2, 4, b"top\0"),  # text
        exif(3, 1, struct.pack(">H", 0)),
        exif(3, 1, struct.pack(">H", 9)),
        exif(12, 1, struct.pack(">I", 1 << 30)),  # a double that lies outside
        exif(5, 1, struct.pack(">I", 26)),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_costs_nothing(
    look: Callable[..., Sight], photo: Image.Image, saved: Save, form: str, block: bytes
) -> None:
    sight = look(saved(photo, form, exif=block))
    assert (sight.orientation, sight.size) == (1, (60, 40))


def test_an_orientation_of_text_means_none(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    assert look(saved(photo, "JPEG", exif=exif(2, 4, b"top\0"))).orientation == 1
    assert look(saved(photo, "JPEG", exif=exif(3, 1, b"\0\x06"))).orientation == 6


# --- provenance ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_jpeg_quality_is_found_again(
    look: Callable[..., Sight], photo: Image.Image, saved: Save, mode: str
) -> None:
    picture = photo.convert(mode)
    for quality in range(30, 96):
        found = look(saved(picture, "JPEG", quality=quality)).jpeg_quality
        assert found is not None and abs(found - quality) <= 3


def test_a_jpeg_of_several_pictures_has_a_quality_too(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    data = saved(photo, "MPO", save_all=True, append_images=[photo], quality=60)
    assert look(data).jpeg_quality == pytest.approx(60, abs=3)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_formats_have_no_jpeg_quality(
    look: Callable[..., Sight], photo: Image.Image, saved: Save, form: str
) -> None:
    assert look(saved(photo, form)).jpeg_quality is None


def test_the_digest_is_that_of_the_file(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    import hashlib

    data = saved(photo, "JPEG")
    assert look(data).sha256 == hashlib.sha256(data).hexdigest()


# --- crop ----------------------------------------------------------------------------------------


def test_a_centre_crop_is_exact(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    image, box = look(saved(photo, "PNG")).crop(40, None)
    assert box == (10, 0, 50, 40)
    assert (image == np.asarray(photo)[:, 10:50]).all()


def test_a_centre_crop_of_a_tall_picture_is_exact(
    look: Callable[..., Sight], photo: Image.Image, saved: Save
) -> None:
    tall = photo.transpose(Image.Transpose.ROTATE_90).crop((0, 0, 40, 59))
    image, box = look(saved(tall, "PNG")).crop(40, None)
    assert box == (0, 9, 40, 49)
    assert (image == np.asarray(tall)[9:49]).all()


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 400), st.sampled_from([8, 33]),
    st.one_of(st.none(), st.integers(0, 1 << 32)),
)  # fmt: skip
def test_a_crop_is_a_square_inside_the_picture(
    width: int, height: int, side: int, seed: int | None
) -> None:
    draw = None if seed is None else np.random.default_rng(seed)
    image, (left, top, right, bottom) = blank(width, height).crop(side, draw)
    assert image.shape == (side, side, 3) and image.dtype == np.uint8
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert right - left == bottom - top <= min(width, height)
    assert right - left >= (0.6 * min(width, height) - 0.5 if seed is not None else 1)
    if seed is None:
        assert right - left == min(width, height)


def test_random_crops_reach_every_edge() -> None:
    draw = np.random.default_rng(1)
    boxes = np.array([blank(60, 40).crop(8, draw)[1] for _ in range(400)])
    assert boxes.min(0)[:2].tolist() == [0, 0] and boxes.max(0)[2:].tolist() == [60, 40]


def test_a_pixel_is_in_the_mask_if_most_of_what_it_stands_for_is() -> None:
    mask = np.zeros((4, 8), np.bool_)
    mask[:1, :4], mask[:3, 4:] = True, True  # a quarter of the left square, most of the right one
    assert crop_mask(mask, 1, (0, 0, 4, 4), 1).tolist() == [[False]]
    assert crop_mask(mask, 1, (4, 0, 8, 4), 1).tolist() == [[True]]


def test_a_mask_keeps_its_place_and_area() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[10:30, 20:40] = True
    plane = crop_mask(mask, 1, (10, 0, 50, 40), 80)
    expected = np.zeros((80, 80), np.bool_)
    expected[20:60, 20:60] = True
    assert (plane == expected).all()
