"""What every detector must be, whichever it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.cards import Card
from pipeline.config import Detector
from pipeline.errors import ConfigError
from training import detectors, recipes

FILES = Path(detectors.__file__).parent
NAMES = sorted(path.stem for path in FILES.glob("*.py") if not path.stem.startswith("_"))
#: The smallest encoder of each, and a size of picture.
SMALL = {
    "cnnspot": ("resnet18", 32), "deeplabv3plus": ("resnet18", 48), "dinov2": ("tiny", 48),
    "fcn8s": ("tiny", 48), "segformer": ("mit_b0", 64), "smpdeeplab": ("resnet18", 48),
    "universalfakedet": ("tiny", 42),
}  # fmt: skip


def small(name: str, classes: int = 3) -> tuple[torch.nn.Module, torch.Tensor]:
    """A detector with random weights, and two pictures."""
    encoder, size = SMALL[name]
    model = detectors.build(name, classes, encoder, None)
    return model, torch.randn(2, 3, size, size)


def test_every_file_is_a_detector_that_is_tried_here() -> None:
    assert sorted(SMALL) == NAMES
    for path in FILES.glob("*.py"):
        found = re.search(r"^CARD = Card\(", path.read_text(), re.M) is not None
        assert found == (path.stem in NAMES), path


def test_they_are_cheap_to_import() -> None:
    code = ("import sys, training.detectors as d\n"
            f"for name in {NAMES}: d.module(name)\n"
            "print(*{'torch', 'torchvision', 'timm'} & set(sys.modules))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", NAMES)
def test_card_and_recipes_say_what_training_needs(name: str) -> None:
    found = detectors.module(name)
    assert isinstance(found.CARD, Card) and found.CARD.image == "train" and found.CARD.gpu_gib > 0
    assert set(found.TASKS) in ({"binary", "semantic"}, {"image"})
    assert {"paper", "modern"} <= set(found.RECIPES)
    repos = vars(found)["REPOS"]
    assert found.CARD.repos == (repos[found.RECIPES["paper"].encoder],)
    for recipe in found.RECIPES.values():
        assert recipe.encoder in repos and recipe.source
        section = Detector(recipe="paper", tasks=found.TASKS, batch=4, processes=2)
        assert recipes.resolve(name, section, found.RECIPES).batch == 4


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_gradients(name: str) -> None:
    """Outputs of the promised shape, and a gradient that is not zero at every parameter that is to
    learn, but for those that zeros hide at first (FCN-8s' scores) and biases before a norm."""
    model, images = small(name)
    for layer in model.modules():
        if name == "fcn8s" and isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight, 0.0, 0.1)
    logits = model.train()(images)
    image = detectors.module(name).TASKS == ("image",)
    assert logits.shape == ((2, 1) if image else (2, 3, *images.shape[2:]))
    assert logits.dtype == torch.float32
    (logits * torch.randn_like(logits)).sum().backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert bool(parameter.grad.any()) or key == "encoder.cls_token", key


@pytest.mark.parametrize("name", NAMES)
def test_a_step_moves_what_learns_and_nothing_else(name: str) -> None:
    model, images = small(name)
    learns = {key: p.requires_grad for key, p in model.named_parameters()}
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    moving = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(moving, lr=0.1, weight_decay=1e-3)
    for _ in range(2):  # the scores of FCN-8s are zero before the first
        logits = model(images)
        (logits * torch.randn_like(logits)).sum().backward()
        optimiser.step()
    for key, parameter in model.named_parameters():
        assert bool((parameter != before[key]).any()) == learns[key], key
    frozen = [key for key in learns if not learns[key]]
    expected = {"fcn8s": "upscore", "universalfakedet": "encoder."}.get(name)
    assert bool(frozen) == bool(expected)
    assert all(key.startswith(expected or "-") for key in frozen)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_is_restored_without_the_encoders_folder(name: str) -> None:
    from safetensors.torch import load, save

    model, images = small(name)
    kept = save({key: value.contiguous() for key, value in model.state_dict().items()})
    other, _ = small(name)
    other.load_state_dict(load(kept))
    with torch.inference_mode():
        assert torch.equal(model.eval()(images), other.eval()(images))


@pytest.mark.parametrize("name", NAMES)
def test_there_is_an_encoder_and_an_unknown_one_is_refused(name: str) -> None:
    model, _ = small(name)
    assert sum(p.numel() for p in model.get_submodule("encoder").parameters()) > 0
    with pytest.raises(ConfigError, match=rf"^detectors\.{name}\.encoder: .*'resnet9000'"):
        detectors.build(name, 2, "resnet9000", None)


def test_a_detector_that_is_not_there() -> None:
    for name in ("unet", "_fcn", "os.path", "../fcn8s", ""):
        with pytest.raises(ConfigError, match="expected a module"):
            detectors.module(name)
