"""The stage: from shards to committed weights, and the sentences before the hours begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.code import ROOT
from pipeline.documents import Curve
from pipeline.errors import ConfigError, InputError, PermanentError
from pipeline.shards import RunFolder, join
from training import data, detectors, lesson, train
from training.recipes import Recipe

if TYPE_CHECKING:
    from tests.training.conftest import Runs


def argv(run: RunFolder, task: str = "binary") -> list[str]:
    return ["--run", str(run.path), "--detector", "deeplabv3plus", "--task", task]


def committed(run: RunFolder, task: str = "binary") -> tuple[bytes, Curve]:
    row = join(run, [f"train-deeplabv3plus-{task}"], 0).rows["model"]
    weights: bytes = row.get("model", "Weights")
    curve: Curve = row.get("curve", "Curve")
    return weights, curve


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("semantic", 3)])
def test_train(
    task: str, classes: int, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "progress"))
    run, _ = runs.make(size=32)
    assert train.main(argv(run, task)) == 0
    assert (tmp_path / "progress").read_text() == "4/4\n"
    weights, curve = committed(run, task)
    assert len(curve.loss) == curve.steps == curve.best_step == 4
    assert np.isfinite(curve.loss).all() and weights
    assert (curve.task, curve.classes, curve.samples) == (task, classes, 6)
    assert (curve.resampler, curve.device) == (data.RESAMPLER, "cpu")
    assert curve.recipe["weight_decay"] == 1e-4 and curve.recipe["learning_rate"] == 0.01
    assert not (run.path / "checkpoints" / f"train-deeplabv3plus-{task}").exists()
    assert list((run.path / "scalars" / f"train-deeplabv3plus-{task}").iterdir())


@pytest.mark.slow
def test_a_real_detector_is_trained_and_is_what_its_curve_says(runs: Runs) -> None:
    run, _ = runs.make(steps=2)
    assert train.main(argv(run)) == 0
    from safetensors.torch import load

    weights, curve = committed(run)
    model = detectors.build(curve.detector, curve.classes, curve.encoder, None)
    model.load_state_dict(load(weights))
    assert (curve.encoder, curve.size) == ("resnet18", 64)


@pytest.mark.usefixtures("tiny_network")
def test_what_is_committed_is_not_done_again_and_torch_is_not_even_imported(runs: Runs) -> None:
    run, _ = runs.make(size=32, steps=1)
    assert train.main(argv(run)) == 0
    code = (
        "import sys; from training import train; "
        "assert train.main(sys.argv[1:]) == 0; assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv(run)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "0 shards committed, 1 skipped (committed before)" in done.stdout


@pytest.mark.usefixtures("tiny_network")
def test_a_loss_that_is_not_a_number_stops_the_run(runs: Runs) -> None:
    run, _ = runs.make(size=32, steps=8, learning_rate=1e38)
    said = r"step \d, on the samples 0000\d+, .*: lower detectors\.deeplabv3plus\.learning_rate"
    with pytest.raises(PermanentError, match=said):
        train.main(argv(run))
    assert not run.committed("train-deeplabv3plus-binary", 0)


@pytest.mark.parametrize(
    ("batch", "processes", "said"),
    [
        (5, 2, "batch: 5 cannot be shared equally by 2 processes"),
        (2, 3, "batch: 2 is less than one picture for each of 3 processes"),
    ],
)
def test_a_batch_must_suit_the_processes(batch: int, processes: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lesson.check("deeplabv3plus", Recipe("a test", "none", 0.1, 4, batch), processes)


@pytest.mark.usefixtures("tiny_network")
def test_samples_must_suit_the_processes(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "7")
    run, _ = runs.make(size=32, batch=14, processes=7)
    with pytest.raises(InputError, match="processes: 7 processes cannot share 6 samples"):
        train.main(argv(run))


@pytest.mark.usefixtures("tiny_network")
def test_an_empty_val_split_is_said_before_training(runs: Runs) -> None:
    run, _ = runs.make(samples=3, size=32)  # every fourth is in val
    with pytest.raises(InputError, match="the val split has 0 of the run's 3 samples"):
        train.main(argv(run))
    assert not (run.path / "scalars").exists()


def test_an_encoder_that_was_not_fetched(runs: Runs) -> None:
    run, _ = runs.make(size=32, pretrained=True, encoder="resnet50")
    with pytest.raises(ConfigError, match="models fetch"):
        train.main(argv(run))


def python(*command: str) -> subprocess.Popen[str]:
    pipe, environment = subprocess.PIPE, os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": "."}
    return subprocess.Popen(
        [sys.executable, *command], stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment
    )


@pytest.mark.slow
def test_workers_die_with_their_agent(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys, time\nfrom training import ddp\n"
        "with ddp.world('cpu'):\n    sys.stdout.write('joined\\n')\n    time.sleep(100)\n"
    )
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script))
    agent = python(*launch)
    assert agent.stdout is not None
    assert [agent.stdout.readline() for _ in range(2)] == ["joined\n"] * 2
    agent.send_signal(signal.SIGKILL)
    agent.communicate(timeout=20)  # ends when the last worker has closed its end of the pipes


@pytest.mark.slow
def test_torchrun_ends_with_the_code_of_what_went_wrong(runs: Runs) -> None:
    run, _ = runs.make(size=32, batch=5)
    agent = python("-m", "training.torchrun", "2", "training.train", *argv(run))
    said = agent.communicate()[1]
    assert agent.returncode == PermanentError.code, said
    assert said.count("batch: 5 cannot be shared equally by 2 processes") == 1


def test_a_bar_is_for_terminals_and_lines_for_logs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.pace import Pace

    def told() -> tuple[str, str]:
        with Pace(10, 4, True) as pace:
            drawn: dict[str, Any] = pace.tell(1, 0.5)
            pace.tell(10, 0.25)
        assert drawn["images_per_second"] > 0
        said = capsys.readouterr()
        return said.out, said.err

    out, err = told()
    assert "step 1/10, loss 0.5000" in out and "step 10/10, loss 0.2500" in out and err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    out, err = told()
    assert out == "" and "10/10" in err and "ETA" in err
