"""A trained model from its bytes: the same numbers as the network gives, or a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from pipeline.documents import Curve, Task
from pipeline.errors import ConfigError, CorruptData, InputError
from training import augment, detectors
from training.cache import RESAMPLER
from training.predicting import Predictor

Trained = tuple[bytes, Curve]


def trained(detector: str, task: Task, classes: int = 2, size: int = 64, **recipe: Any) -> Trained:
    """A tiny network of random weights (FCN-8s' last layers begin at zero), as it is committed."""
    torch.manual_seed(7)
    model = detectors.build(detector, classes, "tiny", None)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0.0, 0.5)
    known = detectors.module(detector).RECIPES["paper"]
    curve = Curve(
        detector=detector, task=task, encoder="tiny", classes=classes, size=size, steps=1, batch=1,
        labels={str(i): i for i in range(classes)}, resampler=RESAMPLER, processes=1, samples=1,
        recipe=json.loads(json.dumps(asdict(known) | recipe)), loss=(1.0,), best_step=1, seconds=1,
    )  # fmt: skip
    return save(model.state_dict()), curve


def pictures(count: int = 3, size: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize("classes", [2, 9])
def test_pixels_get_their_likeliest_class_and_the_probability_of_an_edit(classes: int) -> None:
    weights, curve = trained("fcn8s", "semantic" if classes > 2 else "binary", classes)
    predictor, images = Predictor(weights, curve), pictures()
    with torch.inference_mode():
        logits = predictor.model(augment.to_network(images, torch.device("cpu"), predictor.recipe))
    assert torch.equal(predictor.logits(images), logits)
    labels, foreground = predictor.maps(images)
    assert logits.std() > 0.01
    assert labels.dtype == np.uint8 and labels.shape == foreground.shape == (3, 64, 64)
    assert np.array_equal(labels, logits.argmax(1).numpy())
    assert np.array_equal(labels, predictor.classes(images))
    assert foreground == pytest.approx(1 - logits.softmax(1)[:, 0].numpy(), abs=1e-6)


def test_the_same_pictures_together_and_alone() -> None:
    predictor, images = Predictor(*trained("fcn8s", "binary")), pictures()
    together = predictor.maps(images)[1]
    alone = np.concatenate([predictor.maps(images[i : i + 1])[1] for i in range(3)])
    assert together == pytest.approx(alone, abs=1e-6)


def test_the_recipe_that_it_learned_by_normalises_its_pictures() -> None:
    weights, curve = trained("fcn8s", "binary")
    _, other = trained("fcn8s", "binary", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    one, two = (Predictor(weights, found).logits(pictures()) for found in (curve, other))
    assert not torch.allclose(one, two)


def test_a_picture_is_judged_by_its_middle_or_whole() -> None:
    weights, curve = trained("universalfakedet", "image", load=64, crop=48)
    predictor, images = Predictor(weights, curve), pictures()
    chances = predictor.chances(images)
    assert chances.shape == (3,) and ((chances > 0) & (chances < 1)).all()
    with torch.inference_mode():
        middle = predictor.logits(np.ascontiguousarray(images[:, 8:56, 8:56]))
    assert chances == pytest.approx(torch.sigmoid(middle[:, 0]).numpy())
    edges = images.copy()
    edges[:, :8] = 0
    assert predictor.chances(edges) == pytest.approx(chances)
    assert predictor.chances(edges, whole=True) != pytest.approx(predictor.chances(images, True))


def test_how_many_pictures_at_once_follows_from_their_size() -> None:
    predictor = Predictor(*trained("fcn8s", "binary"))
    assert [predictor.at_once(size) for size in (128, 512, 1024, 4096)] == [64, 16, 4, 1]


def test_weights_of_another_number_of_classes_are_refused() -> None:
    weights, _ = trained("fcn8s", "semantic", 9)
    _, curve = trained("fcn8s", "binary", 2)
    with pytest.raises(InputError, match=r"fcn8s for binary .* tiny with 2 classes: it has .*9"):
        Predictor(weights, curve)


def test_tensors_that_are_missing_or_too_many_are_named() -> None:
    _, curve = trained("fcn8s", "binary")
    state = detectors.build("fcn8s", 2, "tiny", None).state_dict()
    last = list(state)[-1]
    with pytest.raises(InputError, match=f"it lacks {last}"):
        Predictor(save({name: value for name, value in state.items() if name != last}), curve)
    with pytest.raises(InputError, match="it has stray too many"):
        Predictor(save({**state, "stray": torch.zeros(1)}), curve)


@pytest.mark.parametrize("cut", [0, 5, 1000, -1])
def test_truncated_weights_are_refused(cut: int) -> None:
    weights, curve = trained("fcn8s", "binary")
    with pytest.raises(CorruptData, match="cut short or no safetensors"):
        Predictor(weights[:cut], curve)


def test_a_model_of_another_resampler_is_refused() -> None:
    weights, curve = trained("fcn8s", "binary")
    other = curve.model_copy(update={"resampler": "opencv-area"})
    with pytest.raises(InputError, match=r"'opencv-area', and here they are by 'pillow-bilinear"):
        Predictor(weights, other)


def test_a_recipe_of_another_version_is_refused() -> None:
    weights, curve = trained("fcn8s", "binary")
    other = curve.model_copy(update={"recipe": {**curve.recipe, "mixup": 0.5}})
    with pytest.raises(InputError, match="mixup"):
        Predictor(weights, other)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said() -> None:
    weights, curve = trained("fcn8s", "binary")
    with pytest.raises(ConfigError, match="there is no GPU here: set device: cpu"):
        Predictor(weights, curve, "cuda")
