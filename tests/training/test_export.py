"""`palimpsest export`: the ONNX file gives torch's logits, from the same bytes of a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from pipeline import cli
from pipeline.errors import BUG, PERMANENT, guard
from tests.training.conftest import Runs
from tests.training.models import commit, model, noise, published
from training import export
from training.predicting import Predictor

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def logits(path: Path, pictures: NDArray[np.uint8]) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"pictures": pictures})[0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The semantic model, by the command."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("export")
    path = folder / "model.onnx"
    assert guard(cli.main, ["export", str(published(folder)), "--onnx", str(path)]) == 0
    return path


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_file_gives_the_logits_of_torch(exported: Path, count: int) -> None:
    weights = model()
    pictures = np.stack([noise(64, 64, seed) for seed in range(count)])
    wanted = Predictor(weights.model, weights.curve).logits(pictures).numpy()
    got = logits(exported, pictures)
    assert got.dtype == np.float32 and got.shape == wanted.shape == (count, 3, 64, 64)
    assert np.abs(got - wanted).max() <= 1e-4 * max(1, np.abs(wanted).max())
    assert np.array_equal(got.argmax(1), wanted.argmax(1))


def test_the_file_says_what_goes_in_and_what_comes_out(exported: Path) -> None:
    found = onnx.load(exported)
    assert [one.version for one in found.opset_import if one.domain == ""] == [export.OPSET]
    said = {one.key: one.value for one in found.metadata_props}
    assert json.loads(said["labels"]) == {"untouched": 0, "sdxl": 3, "flux": 7}
    assert (said["size"], said["task"]) == ("64", "semantic")
    assert said["resampler"] == "pillow-bilinear-antialias"
    assert not list(exported.parent.glob("*.data"))
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == ("pictures", "tensor(uint8)", [64, 64, 3])


def test_a_detector_of_whole_pictures_of_a_run(runs: Runs, tmp_path: Path) -> None:
    """It looks at the middle: that is what goes in. Real pictures are those of the run."""
    run, config = runs.make()
    name, path = commit(run, config, "image"), tmp_path / "image.onnx"
    assert guard(cli.main, ["export", name, "--onnx", str(path)]) == 0
    weights = model("image")
    predictor = Predictor(weights.model, weights.curve)
    pictures = np.stack([noise(64, 64, 1), noise(64, 64, 2)])
    chances = 1 / (1 + np.exp(-logits(path, np.ascontiguousarray(pictures[:, 8:56, 8:56]))[:, 0]))
    assert chances == pytest.approx(predictor.chances(pictures), abs=1e-4)
    assert len(export.real_pictures(name, 48)) == 2


def test_a_file_that_gives_other_numbers_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = export._whole

    def shifted(predictor: Predictor) -> torch.nn.Module:
        found = real(predictor)
        found.mean = torch.nn.Buffer(found.mean + 9)
        return found

    monkeypatch.setattr(export, "_whole", shifted)
    path = tmp_path / "model.onnx"
    args = ["export", str(published(tmp_path / "models")), "--onnx", str(path)]
    assert guard(cli.main, args) == BUG
    assert not path.exists()
    assert "nothing was written" in capsys.readouterr().err


def test_the_samples_are_real_pictures_where_there_is_no_run(tmp_path: Path) -> None:
    pictures = export.real_pictures(str(published(tmp_path)), 32)
    assert len(pictures) == export.REAL
    assert all(one.shape == (32, 32, 3) and one.std() > 10 for one in pictures)


def test_a_target_that_is_no_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in (tmp_path, tmp_path / "nowhere" / "x.onnx"):
        assert guard(cli.main, ["export", "x.safetensors", "--onnx", str(target)]) == PERMANENT
        assert "give the path of a file in a folder that is there" in capsys.readouterr().err
