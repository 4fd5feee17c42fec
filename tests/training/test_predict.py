"""`palimpsest predict`: any picture in, its own size out, and a broken one costs only itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import cli
from pipeline.apart import Apart
from pipeline.errors import CorruptData, InputError, guard
from tests.jobs import poison
from tests.training.conftest import Runs
from tests.training.models import commit, model, noise, published
from training import predict, predict_pictures, trained
from training.predict_found import EDITED, looked_at, overlay
from training.predicting import Predictor

PHOTOS = Path(__file__).parents[1] / "data" / "photos" / "images"
SIZES = {"wide.png": (40, 150), "tall.jpg": (333, 90), "small.webp": (17, 23)}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of several sizes, one of them in a folder below."""
    path = tmp_path / "pictures"
    (path / "below").mkdir(parents=True)
    for name, size in SIZES.items():
        Image.fromarray(noise(*size)).save(path / name)
    shutil.copy(sorted(PHOTOS.glob("*.jpg"))[0], path / "below" / "photo.jpg")
    (path / "notes.txt").write_text("no picture")
    return path


def call(*args: object) -> int:
    return guard(cli.main, ["predict", *map(str, args)])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder_at_every_pictures_own_size(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(published(tmp_path / "models"), folder, "--out", out, "--json") == 0
    found = {Path(line["file"]).name: line for line in lines(capsys)}
    assert found.keys() == SIZES.keys() | {"photo.jpg"}
    assert (out / "below" / "photo.jpg.mask.png").exists()
    for name, line in found.items():
        with Image.open(line["file"]) as picture, Image.open(line["mask"]) as labels:
            assert labels.size == picture.size == (line["width"], line["height"])
            assert labels.mode == "L"
            mask = np.asarray(labels)
        with Image.open(line["overlay"]) as shown:
            assert shown.size == labels.size and shown.mode == "RGB"
        assert set(np.unique(mask)) <= {0, 3, 7}, name
        assert line["edited"] == pytest.approx((mask > 0).mean(), abs=1e-6)
        assert sum(line["shares"].values()) == pytest.approx(line["edited"], abs=1e-5)
        assert line["shares"].get("flux", 0) == pytest.approx((mask == 7).mean(), abs=1e-6)
        assert 0 < line["confidence"] <= 1 and line["task"] == "semantic"


def test_the_same_model_of_a_run_and_as_files(
    runs: Runs, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = commit(*runs.make())
    assert call(name, folder / "wide.png", "--json") == 0
    assert call(published(tmp_path / "models"), folder / "wide.png", "--json") == 0
    one, two = lines(capsys)
    assert one == two and "mask" not in one


def test_the_picture_is_resized_as_in_training(tmp_path: Path) -> None:
    """At the network's size nothing is resized: the mask is that of the predictor."""
    weights = model()
    predictor = Predictor(weights.model, weights.curve)
    pixels = noise(64, 64, 3)
    found = looked_at(predictor, [Image.fromarray(pixels)])[0]
    classes, chances = predictor.maps(pixels[None])
    assert found.mask is not None
    assert np.array_equal(found.mask, np.array([0, 3, 7], np.uint8)[classes[0]])
    called = classes[0] > 0
    assert found.confidence == pytest.approx(float(chances[0][called].mean()), abs=1e-6)


def test_pictures_alone_and_together(folder: Path) -> None:
    weights = model("binary")
    predictor = Predictor(weights.model, weights.curve)
    pictures = [predict_pictures.opened(folder / name) for name in SIZES]
    together = looked_at(predictor, pictures)
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = looked_at(predictor, [picture])
        assert alone.shares == pytest.approx(found.shares)
        assert alone.confidence == pytest.approx(found.confidence, abs=1e-5)


def test_a_detector_of_whole_pictures_gives_a_probability(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = published(tmp_path / "models", "image")
    assert call(path, folder, "--json", "--out", tmp_path / "out") == 0
    for line in lines(capsys):
        assert 0 < line["probability"] < 1 and line["task"] == "image" and "mask" not in line
    assert call(path, folder / "wide.png") == 0
    assert "wide.png: edited with a probability of 0." in capsys.readouterr().out


def test_broken_pictures_cost_only_themselves(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (folder / "tall.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("<svg/>")
    bad = {"cut.jpg", "empty.png", "text.png"}
    assert call(published(tmp_path / "models"), folder, "--json") == 1
    said = capsys.readouterr()
    found = [json.loads(line) for line in said.out.splitlines()]
    assert {Path(line["file"]).name for line in found if "error" in line} == bad
    assert sum("edited" in line for line in found) == 4
    assert "palimpsest: 3 of 7 pictures could not be read" in said.err
    assert all(f"{name} was left out: " in said.err for name in bad)
    assert "Traceback" not in said.err


def test_pictures_that_end_their_decoder_cost_only_themselves(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model = published(tmp_path / "models")
    assert call(model, folder, "--json") == 0
    clean = capsys.readouterr().out.splitlines()
    whole = (folder / "tall.jpg").read_bytes()
    said = {"fault": "was ended by SIGSEGV", "exit": "ended with exit code 3"}
    for how in said:
        (folder / f"some-{how}.jpg").write_bytes(poison.poisoned(whole, how))
    (folder / "below" / "greedy.jpg").write_bytes(whole)
    monkeypatch.setattr(predict, "pixels", poison.pixels)
    assert call(model, folder, "--json") == 1
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if "error" not in line] == clean
    found = {Path(line["file"]).name: line["error"] for line in map(json.loads, out.splitlines())
             if "error" in line}  # fmt: skip
    assert found.pop("greedy.jpg") == "asks for more memory than there is"
    assert found == {f"some-{how}.jpg": f"the process that opened it {end}"
                     for how, end in said.items()}  # fmt: skip
    assert "palimpsest: 3 of 7 pictures could not be read" in err and "Traceback" not in err


def test_who_has_read_enough_may_go(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **how: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    assert call(published(tmp_path / "models"), folder) == 0


def test_a_bomb_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(predict_pictures.Broken, match="9000 x 9000 pixels, more than 64,000,000"):
        predict_pictures.opened(path)
    monkeypatch.setattr(predict_pictures, "MAX_BYTES", 10)
    with pytest.raises(predict_pictures.Broken, match="0 MiB, more than 0"):
        predict_pictures.opened(path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK", "F"])
def test_pictures_of_any_mode_are_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    Image.new("L", (20, 10), 200).convert("F" if mode == "I;16" else mode).save(path)
    if mode == "I;16":
        Image.fromarray(np.full((10, 20), 40_000, np.uint16)).save(path)
    found = predict_pictures.opened(path)
    assert found.mode == "RGB" and found.size == (20, 10)
    assert mode in ("1", "F") or 140 <= np.asarray(found).mean() <= 210


def test_a_picture_is_turned_as_viewers_show_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(40, 90)).save(tmp_path / "turned.jpg", exif=exif)
    assert predict_pictures.opened(tmp_path / "turned.jpg").size == (40, 90)


def test_names_that_are_alike_get_files_of_their_own(tmp_path: Path) -> None:
    paths = []
    for name in ("a/x.png", "b/x.png", "c/x.png-2"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name, "PNG")
        paths.append(tmp_path / name)
    names = [str(one.name) for one in predict_pictures.given(paths, None)]
    assert names == ["x.png", "x.png-2", "x.png-2-2"]


def test_what_is_named_must_be_there_and_not_be_read_again(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture and no folder at .*/nowhere"):
        predict_pictures.given([tmp_path / "nowhere"], None)
    with pytest.raises(InputError, match="would be read the next time"):
        predict_pictures.given([folder], folder / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="no pictures below .*bare: expected files ending in .bmp"):
        predict_pictures.given([tmp_path / "bare"], None)


def test_large_pictures_are_held_few_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = predict_pictures.given([folder], None)
    with Apart(predict_pictures.pixels) as decoder:
        assert [len(some) for some, _ in predict.batches(targets, 3, decoder)] == [3, 1]
        monkeypatch.setattr(predict, "MAX_PIXELS", 40_000)
        counts = [len(some) for some, _ in predict.batches(targets, 3, decoder)]
    assert counts != [3, 1] and sum(counts) == 4


def test_the_overlay_shows_the_picture_where_nothing_is_called_edited() -> None:
    pixels = noise(60, 80)
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:60] = 3
    shown = np.asarray(overlay(Image.fromarray(pixels), mask, binary=False))
    far = np.ones(mask.shape, np.bool_)
    far[19:41, 29:61] = False
    assert np.array_equal(shown[far], pixels[far])
    assert not np.array_equal(shown[25:35, 35:55], pixels[25:35, 35:55])
    assert shown[20, 30].tolist() == [0x00, 0x9E, 0x73]  # the edge, in SDXL's colour
    binary = np.asarray(overlay(Image.fromarray(pixels), mask, binary=True))
    assert binary[20, 30].tolist() == list(bytes.fromhex(EDITED[1:]))


def test_a_model_that_is_not_there_is_said_with_those_that_are(runs: Runs, tmp_path: Path) -> None:
    run, config = runs.make()
    with pytest.raises(InputError, match="has these models: none, since no detector is trained"):
        trained.opened(f"{run.path}:fcn8s-binary")
    commit(run, config)
    for name in (f"{run.path}", f"{run.path}:nope", f"{run.path}:../../etc"):
        with pytest.raises(InputError, match=r"these models: fcn8s-semantic; give one as .*:NAME"):
            trained.opened(name)
    with pytest.raises(InputError, match="is no model: give RUN:TRIAL"):
        trained.opened("nowhere:fcn8s-binary")
    with pytest.raises(InputError, match=r"no file .*x.safetensors: a model is a"):
        trained.opened(str(tmp_path / "x.safetensors"))


def test_damaged_files_of_a_model_are_said(tmp_path: Path) -> None:
    path = published(tmp_path)
    weights = path.read_bytes()
    path.write_bytes(weights[:-7])
    with pytest.raises(CorruptData, match="cut short or no safetensors"):
        Predictor(*trained.opened(str(path)))
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(CorruptData, match=r"fcn8s-semantic.json is no curve"):
        trained.opened(str(path))
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"no file .*fcn8s-semantic.json"):
        trained.opened(str(path))
