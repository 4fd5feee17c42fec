"""Checkpoints: whole or not there, ours or not used."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from pipeline import disk
from training import checkpoint

OURS = {"classes": "2", "resampler": "a", "settings": "s"}


def state(step: int, **facts: str) -> dict[str, Any]:
    import torch

    return {"step": step, "facts": OURS | facts, "model": {"w": torch.full((64,), float(step))}}


def names(folder: Path) -> list[str]:
    return [path.name[:11] for path in sorted(folder.iterdir())]


def test_two_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    for step in (9, 10, 1000000):
        checkpoint.save(tmp_path, state(step))
    assert names(tmp_path) == ["step-000010", "step-100000"]
    assert checkpoint.newest(tmp_path, OURS).startswith("step-1000000-")
    assert checkpoint.latest(tmp_path).startswith(str(tmp_path / "step-1000000-"))
    assert checkpoint.newest(tmp_path / "nothing", OURS) == ""
    assert checkpoint.latest(tmp_path / "nothing") == ""


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"classes": "9"}, "made with classes 9 and not 2, not used"),
        ({"resampler": "b"}, "made with resampler b and not a, not used"),
        ({"settings": "t"}, "made with settings t and not s, not used"),
    ],
)
def test_one_that_is_not_ours_is_said_and_removed(
    facts: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2, **facts))
    assert checkpoint.newest(tmp_path, OURS).startswith("step-000001-")
    assert said in capsys.readouterr().out
    assert names(tmp_path) == ["step-000001"]


@pytest.mark.parametrize("left", [0, 1, 100, -1])
def test_of_a_truncated_one_the_one_before_is_used(
    left: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path, state(1))
    cut = checkpoint.save(tmp_path, state(2))
    cut.write_bytes(cut.read_bytes()[:left])
    assert checkpoint.newest(tmp_path, OURS).startswith("step-000001-")
    assert "damaged or cut short" in capsys.readouterr().out
    assert checkpoint.load(tmp_path / checkpoint.newest(tmp_path, OURS))["step"] == 1


@pytest.mark.parametrize("place", [0, 10, 500, -1])
def test_a_flipped_bit_is_noticed(place: int, tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, state(2))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        checkpoint.load(path)


def test_one_that_a_killed_process_had_begun_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, state(1))

    class PowerCut(BaseException):
        pass

    def cut(aside: Path, target: Path) -> None:
        raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(disk.os, "replace", cut)
        checkpoint.save(tmp_path, state(2))
    assert len(list(tmp_path.iterdir())) == 2
    assert checkpoint.newest(tmp_path, OURS).startswith("step-000001-")
    assert names(tmp_path) == ["step-000001"]


def test_weights_are_a_safetensors_file() -> None:
    import torch
    from safetensors.torch import load

    spread = torch.arange(6.0).reshape(2, 3).t()
    found = load(checkpoint.weights({"w": spread, "n": torch.tensor(3)}))
    assert torch.equal(found["w"], spread) and found["n"] == 3


def named(folder: Path, data: bytes, step: int = 9) -> Path:
    """A file that somebody made, under the name that fits its bytes."""
    path = folder / f"step-{step:06d}-{hashlib.sha256(data).hexdigest()[:16]}.pt"
    path.write_bytes(data)
    return path


class Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.canary}",)


def foreign(tmp_path: Path) -> dict[str, bytes]:
    import torch

    canary = tmp_path / "CANARY"
    saved = io.BytesIO()
    torch.save({"facts": {}, "step": 9, "evil": Evil(canary)}, saved)
    listed = io.BytesIO()
    torch.save([1, 2], listed)
    bare = io.BytesIO()
    torch.save({"step": 9}, bare)
    return {
        "a pickle": pickle.dumps(Evil(canary)), "a checkpoint with a call": saved.getvalue(),
        "a list": listed.getvalue(), "no facts": bare.getvalue(), "nothing": b"",
        "a zip": b"PK\5\6" + bytes(18), "noise": bytes(range(256)), "text": b"cos\nsystem\n",
    }  # fmt: skip


@pytest.mark.parametrize("what", foreign(Path("x")))
def test_a_foreign_checkpoint_of_a_fitting_name_runs_nothing(what: str, tmp_path: Path) -> None:
    good = checkpoint.save(tmp_path, {"facts": {"config": "c"}, "step": 3})
    path = named(tmp_path, foreign(tmp_path)[what])
    with pytest.raises(ValueError, match="no checkpoint of ours"):
        checkpoint.load(path)
    assert checkpoint.newest(tmp_path, {"config": "c"}) == good.name
    assert not path.exists() and not (tmp_path / "CANARY").exists()


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    good = checkpoint.save(tmp_path, {"facts": {}, "step": 3})
    others = [tmp_path / name for name in (
        "step-abc-0123456789abcdef.pt", "step-000009-x.pt", "step-٣٣٣٣٣٣-0123456789abcdef.pt",
        "step-000009-../0123456789ab.pt".replace("/", "_"))]  # fmt: skip
    for path in others:
        path.write_bytes(pickle.dumps(Evil(tmp_path / "CANARY")))
    assert checkpoint.newest(tmp_path, {}) == good.name
    assert all(path.exists() for path in others) and not (tmp_path / "CANARY").exists()
