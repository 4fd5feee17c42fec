"""Pretrained encoders come from local safetensors that fit to the last tensor, or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.errors import ConfigError, CorruptData
from tests.jobs.locks import locked
from training import encoders

WAY_OUT = "detectors.mine.pretrained: false"


@pytest.fixture
def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


@pytest.fixture
def folder(tmp_path: Path, net: nn.Module) -> Path:
    home = tmp_path / "net.in1k"
    home.mkdir()
    state = {name: torch.ones_like(value) for name, value in net.state_dict().items()}
    save_file(state, home / "model.safetensors")
    return home


def rewrite(folder: Path, **change: torch.Tensor | None) -> None:
    from safetensors.torch import load_file

    state = load_file(folder / "model.safetensors")
    for name, value in change.items():
        key = name.replace("__", ".")
        state.pop(key, None)
        if value is not None:
            state[key] = value
    save_file(state, folder / "model.safetensors")


def test_every_tensor_is_put_in_its_place(net: nn.Module, folder: Path) -> None:
    encoders.fill("mine", net, folder)
    assert all(bool((value == 1).all()) for value in net.state_dict().values())


def test_half_precision_is_widened(net: nn.Module, folder: Path) -> None:
    rewrite(folder, **{"0__bias": torch.full((4,), 0.5, dtype=torch.float16)})
    encoders.fill("mine", net, folder)
    assert net.state_dict()["0.bias"].dtype == torch.float32
    assert net.state_dict()["0.bias"].tolist() == [0.5] * 4


def test_a_checkpoint_without_counters_is_older_but_whole(net: nn.Module, folder: Path) -> None:
    rewrite(folder, **{"1__num_batches_tracked": None})
    encoders.fill("mine", net, folder)
    assert net.state_dict()["1.num_batches_tracked"] == 0


def test_what_is_ignored_may_lie_there_and_names_may_be_others(
    net: nn.Module, folder: Path
) -> None:
    rewrite(folder, fc__weight=torch.zeros(2), **{"0__bias": None, "stem__bias": torch.ones(4)})
    encoders.fill(
        "mine", net, folder, ignore=("fc.",),
        convert=lambda state: {k.replace("stem.", "0."): v for k, v in state.items()},
    )  # fmt: skip
    assert net.state_dict()["0.bias"].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"0__bias": None}, r"it lacks 0\.bias;"),
        ({"fc__weight": torch.zeros(2)}, r"it has fc\.weight, which the encoder has not;"),
        ({"0__bias": torch.zeros(5)}, r"it has 0\.bias of shape 5 instead of 4;"),
        ({"0__weight": torch.zeros(4, 3)}, r"it has 0\.weight of shape 4x3 instead of 4x3x1x1;"),
        ({"0__bias": None, "1__bias": None}, r"it lacks 0\.bias \(the first of 2 faults\);"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(
    net: nn.Module, folder: Path, change: dict[str, torch.Tensor | None], said: str
) -> None:
    rewrite(folder, **change)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ConfigError, match=said) as caught:
        encoders.fill("mine", net, folder)
    assert str(folder / "model.safetensors") in str(caught.value)
    assert "palimpsest models fetch" in str(caught.value) and WAY_OUT in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_missing_folder_and_one_without_safetensors(net: nn.Module, folder: Path) -> None:
    """A pickle beside it is not even opened."""
    (folder / "model.safetensors").unlink()

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (folder / "exploded",))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    for home in (folder, folder.with_name("nowhere")):
        with pytest.raises(ConfigError, match=r"model\.safetensors is missing: .*models fetch"):
            encoders.fill("mine", net, home)
    assert not (folder / "exploded").exists()


@pytest.mark.parametrize("size", [0, 4, 20, 100])
def test_a_truncated_file_is_corrupt(net: nn.Module, folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CorruptData, match="cannot be read .* run `palimpsest models fetch`"):
        encoders.fill("mine", net, folder)


REPOS = {"small": "hub/net.in1k", "tiny": ""}


def test_a_file_that_was_swapped_since_it_was_checked_is_corrupt(
    net: nn.Module, folder: Path
) -> None:
    locked(folder)
    encoders.fill("mine", net, folder)
    state = load_file(folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in state.items()}, folder / "model.safetensors")
    with pytest.raises(CorruptData, match="is not what its lock says"):
        encoders.fill("mine", net, folder)


def test_the_encoder_and_the_folder_must_belong_together(folder: Path) -> None:
    encoders.check("mine", "small", folder, REPOS)
    encoders.check("mine", "tiny", None, REPOS)
    with pytest.raises(ConfigError, match=r"^detectors\.mine\.encoder: 'large' is none of its"):
        encoders.check("mine", "large", None, REPOS)
    with pytest.raises(ConfigError, match=f"'tiny' has no published weights: .*{WAY_OUT}"):
        encoders.check("mine", "tiny", folder, REPOS)
    with pytest.raises(ConfigError, match=f"whose weights are hub/net.in1k: .*{WAY_OUT}"):
        encoders.check("mine", "small", folder.with_name("other.in1k"), REPOS)


def test_only_a_vit_is_taken_for_one() -> None:
    with pytest.raises(TypeError, match="Sequential is no ViT"):
        encoders.of_vit({}, nn.Sequential())
