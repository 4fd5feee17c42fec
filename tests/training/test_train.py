"""Training, resuming and evaluating tiny detectors, in this process and over torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.code import ROOT
from pipeline.config import Detector
from pipeline.documents import Curve, Metrics
from pipeline.errors import ConfigError, PermanentError
from pipeline.shards import RunFolder, join
from training import checkpoint, detectors, evaluate, sgd, train
from training.torchrun import verdict

if TYPE_CHECKING:
    from tests.training.conftest import Runs

TINY = "tu-mobilenetv3_small_050"  # timm; with the decoder a million parameters


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(threads)


def argv(run: RunFolder, task: str = "binary") -> list[str]:
    return ["--run", str(run.path), "--detector", "deeplabv3plus", "--task", task]


def model(run: RunFolder, task: str = "binary") -> bytes:
    row = join(run, [f"train-deeplabv3plus-{task}"], 0).rows["model"]
    found: bytes = row.get("model", "Weights")
    return found


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, run: RunFolder) -> None:
    """Train until `step` steps are done, then fail as a power cut would: without a last word."""

    class PowerCut(Exception):
        pass

    def advance(training: Any) -> None:
        if training.step == step:
            raise PowerCut
        real(training)

    real = sgd.Training.advance
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(sgd.Training, "advance", advance)
        train.main(argv(run))


@pytest.mark.parametrize(
    ("task", "names", "values"),
    [("binary", {"edited"}, {0, 1}), ("semantic", {"sdxl", "flux"}, {0, 3, 7})],
)
def test_train_and_evaluate(
    task: str, names: set[str], values: set[int], runs: Runs, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("ARGO_PROGRESS_FILE", str(tmp_path / "progress"))
    run, _ = runs.make(encoder=TINY)
    assert train.main(argv(run, task)) == 0
    assert (tmp_path / "progress").read_text() == "4/4\n"
    curve: Curve = join(run, [f"train-deeplabv3plus-{task}"], 0).rows["model"].get("curve", "Curve")
    assert len(curve.loss) == 4
    assert np.isfinite(curve.loss).all()
    assert (curve.task, curve.classes, curve.samples) == (task, len(names) + 1, 6)

    assert evaluate.main(argv(run, task)) == 0
    joined = join(run, [f"evaluate-deeplabv3plus-{task}"], 0)
    assert set(joined.rows) == {"00000003", "00000007", "scores"}
    assert joined.manifests[0].counts()["out"] == 2
    assert f"train-deeplabv3plus-{task}/00000" in joined.manifests[0].parents
    scores: Metrics = joined.rows["scores"].get("metrics", "Metrics")
    assert set(scores.iou) == names
    assert sum(map(sum, scores.confusion)) == 2 * 64 * 64
    assert 0 <= scores.miou <= 1
    for key in ("00000003", "00000007"):
        prediction = joined.rows[key].get("prediction", "LabelMap")
        assert prediction.shape == (64, 64)
        assert set(np.unique(prediction)) <= values
    assert "mIoU" in capsys.readouterr().out


def test_what_is_committed_is_not_done_again_and_torch_is_not_even_imported(runs: Runs) -> None:
    run, _ = runs.make(encoder=TINY, steps=1)
    assert train.main(argv(run)) == 0
    code = (
        "import sys; from training import evaluate, train; "
        "assert train.main(sys.argv[1:]) == 0; assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv(run)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "already committed" in done.stdout


def test_a_resumed_run_ends_with_the_same_bytes(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, _ = runs.make("whole", encoder=TINY, steps=7)
    assert train.main(argv(whole)) == 0
    for name, damage in (("killed", False), ("damaged", True)):
        run, _ = runs.make(name, encoder=TINY, steps=7)
        killed_at(5, monkeypatch, run)
        left = sorted((run.path / "checkpoints" / "train-deeplabv3plus-binary").iterdir())
        assert [path.name[:11] for path in left] == ["step-000002", "step-000004"]
        if damage:
            data = bytearray(left[1].read_bytes())
            data[len(data) // 2] ^= 1
            left[1].write_bytes(data)
        capsys.readouterr()
        assert train.main(argv(run)) == 0
        said = capsys.readouterr().out
        assert f"goes on from step-00000{2 if damage else 4}" in said
        assert ("damaged" in said) is damage
        assert model(run) == model(whole)


def test_two_checkpoints_are_kept_and_a_strange_one_is_not_used(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, {"step": step, "recipe": "ours"})
    checkpoint.save(tmp_path, {"step": 4, "recipe": "theirs"})
    assert [path.name[:11] for path in sorted(tmp_path.iterdir())] == ["step-000003", "step-000004"]
    assert checkpoint.newest(tmp_path, "ours").startswith("step-000003-")
    assert len(list(tmp_path.iterdir())) == 1
    assert checkpoint.newest(tmp_path / "nothing", "ours") == ""


def test_a_loss_that_is_not_a_number_stops_the_run(runs: Runs) -> None:
    run, _ = runs.make(encoder=TINY, learning_rate=1e30)
    with pytest.raises(PermanentError, match=r"at step [234]: lower detectors\.deeplabv3plus"):
        train.main(argv(run))
    assert not run.committed("train-deeplabv3plus-binary", 0)


@pytest.mark.parametrize(("batch", "said"), [(5, "shared equally by 2"), (2, "two pictures")])
def test_a_batch_must_suit_the_processes(batch: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        train.check(Detector(batch=batch), "deeplabv3plus", 2)


def test_detectors_are_found_by_name() -> None:
    with pytest.raises(ConfigError, match=r"expected a module training\.detectors\.nonesuch"):
        detectors.build("nonesuch", 2, "resnet18", False)
    for stranger in ("resnet19", "resnet10t", "tu-nonesuch"):
        with pytest.raises(ConfigError, match=f"encoder: .* has no '{stranger}'"):
            detectors.build("deeplabv3plus", 2, stranger, False)


def test_without_a_network_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import segmentation_models_pytorch.encoders as encoders

    def offline(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(encoders, "hf_hub_download", offline)
    with pytest.raises(ConfigError, match=r"detectors\.deeplabv3plus\.pretrained: false"):
        detectors.build("deeplabv3plus", 2, "resnet18", True)


#: Two ranks without an agent, forked, so that the libraries are imported once for all. The first
#: run is killed at its first checkpoint, as by a power cut, and resumed; then comes the second.
RANKS = """
import os, signal, socket, sys, time
from pathlib import Path
import segmentation_models_pytorch
from pipeline.errors import guard
from training import train

def start(run):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ranks = []
    for rank in range(2):
        ranks.append(os.fork())
        if not ranks[-1]:
            os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1",
                              MASTER_PORT=str(port))
            argv = ["--run", run, "--detector", "deeplabv3plus", "--task", "binary"]
            os._exit(guard(train.main, argv))
    return ranks

killed, whole = sys.argv[1:]
ranks = start(killed)
while not list(Path(killed).glob("checkpoints/*/step-*.pt")):
    time.sleep(0.01)
for rank in ranks:
    os.kill(rank, signal.SIGKILL)
assert [os.waitpid(rank, 0)[1] for rank in ranks] == [signal.SIGKILL] * 2
for run in (killed, whole):
    assert [os.waitpid(rank, 0)[1] for rank in start(run)] == [0, 0]
"""


@pytest.mark.slow
def test_two_processes_killed_and_resumed_end_with_the_same_bytes(runs: Runs) -> None:
    settings = {"encoder": TINY, "steps": 20, "batch": 8, "checkpoint_every": 3, "processes": 2}
    killed, _ = runs.make("killed", **settings)
    whole, _ = runs.make("whole", **settings)
    done = python("-c", RANKS, str(killed.path), str(whole.path))
    said = done.communicate()
    assert done.returncode == 0, said
    assert said[0].count("goes on from step-") == 1
    assert model(killed) == model(whole)


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


def test_what_was_said_on_purpose_outweighs_what_followed_from_it() -> None:
    assert verdict([1, 75]) == 75
    assert verdict([78]) == 78
    assert verdict([-9, 1]) == 75
    assert verdict([1, 1]) == 1


@pytest.mark.slow
def test_torchrun_ends_with_the_code_of_what_went_wrong(runs: Runs) -> None:
    run, _ = runs.make(encoder=TINY, batch=5)
    agent = python("-m", "training.torchrun", "2", "training.train", *argv(run))
    said = agent.communicate()[1]
    assert agent.returncode == PermanentError.code, said
    assert said.count("batch: 5 cannot be shared equally by 2 processes") == 1
