"""A trained detector, from its committed weights to labels and probabilities.

in    a safetensors file, the Curve beside it, pictures (B, S, S, 3) uint8 RGB with S =
      `Predictor.size`, brought to that size as `cache.RESAMPLER` says
out   binary, semantic: the likeliest class and the probability of an edit, of each pixel
      image: the probability of an edit, of the picture
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.documents import Curve
from pipeline.errors import ConfigError, CorruptData, InputError
from training import augment, detectors, metrics
from training.cache import RESAMPLER
from training.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]

#: Pixels that are predicted at once: sixteen pictures of 512 px, four of 1024.
AT_ONCE, MOST = 1 << 22, 64


class Predictor:
    """Ready on `device` ("cpu", "cuda", "cuda:1"). `size` is the side of a picture, px; `task` and
    `labels` (mask value of each class, by name, in class order) are the curve's.

    Raises InputError for weights that are not the curve's or of another resampler, CorruptData for
    bytes that are no safetensors, ConfigError for a GPU that is not there.
    """

    def __init__(
        self, weights: bytes, curve: Curve, device: str = "cpu", dtype: str = "float32"
    ) -> None:
        import torch

        if curve.resampler != RESAMPLER:
            raise InputError(
                f"{curve.detector} for {curve.task} learned from pictures resized by "
                f"{curve.resampler!r}, and here they are by {RESAMPLER!r}, which it would mistake "
                "for edits: train it anew, or use the version that trained it"
            )
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ConfigError(f"device: {device}, but there is no GPU here: set device: cpu")
        self.curve, self.recipe = curve, recipe(curve)
        self.task, self.size, self.labels = curve.task, curve.size, curve.labels
        self.device, self._half = torch.device(device), dtype == "bfloat16"
        self._layout = torch.channels_last if self.device.type == "cuda" else torch.preserve_format
        model = detectors.build(curve.detector, curve.classes, curve.encoder, None)
        _fill(model, weights, curve)
        self.model = model.to(self.device).to(memory_format=self._layout).eval()

    def at_once(self, size: int) -> int:
        """How many pictures of `size` px to give in one call."""
        return max(1, min(MOST, AT_ONCE // size**2))

    def logits(self, images: Bytes) -> torch.Tensor:
        """(B, S, S, 3) -> (B, classes, S, S) float32 on the device, of the image task (B, 1)."""
        import torch

        pixels = augment.to_network(images, self.device, self.recipe)
        with torch.inference_mode(), torch.autocast(
            self.device.type, torch.bfloat16, enabled=self._half
        ):  # fmt: skip
            found: torch.Tensor = self.model(pixels.contiguous(memory_format=self._layout))
        return found.float()

    def classes(self, images: Bytes) -> Bytes:
        """The likeliest class of each pixel, (B, S, S)."""
        return _likeliest(self.logits(images))

    def maps(self, images: Bytes) -> tuple[Bytes, Floats]:
        """The likeliest class of each pixel, and the probability that it is edited, (B, S, S)."""
        logits = self.logits(images)
        return _likeliest(logits), _foreground(logits)

    def chances(self, images: Bytes, whole: bool = False) -> Floats:
        """Of the image task: the probability that a picture is edited, (B,). It sees the middle of
        the picture, as the recipe says; with `whole` all of it, at the size of that middle."""
        import torch

        view = self.recipe
        if whole:
            side = min(view.crop or self.size, view.load or self.size)
            view = replace(view, load=side, crop=None)
        logits = self.logits(augment.plain(images, view))
        found: Floats = torch.sigmoid(logits[:, 0]).cpu().numpy()
        return found


def recipe(curve: Curve) -> Recipe:
    """The recipe that a model was trained by. InputError for one that this version cannot read."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in curve.recipe.items()
    }
    try:
        return Recipe(**given)
    except TypeError:
        strange = sorted(given.keys() ^ {field.name for field in fields(Recipe)})
        raise InputError(
            f"the recipe of {curve.detector} for {curve.task} does not fit this version (it "
            f"differs in {', '.join(strange)}): train it anew, or use the version that trained it"
        ) from None


def _fill(model: torch.nn.Module, weights: bytes, curve: Curve) -> None:
    """Exactly the tensors of the model, name by name and shape by shape."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    who = f"the model of {curve.detector} for {curve.task}"
    try:
        given = load(weights)
    except SafetensorError as error:
        raise CorruptData(f"{who} cannot be read, it is cut short or no safetensors ({error}): "
                          "take a whole copy, or train it anew") from None  # fmt: skip
    wanted = model.state_dict()
    wrong = [f"lacks {name}" for name in wanted if name not in given]
    wrong += [f"has {name} too many" for name in given if name not in wanted]
    wrong += [
        f"has {name} of shape {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted if name in given and given[name].shape != wanted[name].shape
    ]  # fmt: skip
    if wrong:
        raise InputError(
            f"{who} is not what is said of it, {curve.encoder} with {curve.classes} classes: it "
            f"{wrong[0]}: take the file that was committed with it, or train it anew"
        )
    model.load_state_dict(given)


def _likeliest(logits: torch.Tensor) -> Bytes:
    import torch

    if logits.device.type == "cpu":
        return metrics.likeliest(logits.numpy())
    found: Bytes = logits.max(dim=1).indices.to(torch.uint8).cpu().numpy()
    return found


def _foreground(logits: torch.Tensor) -> Floats:
    """One less the probability of class 0, without the loss of taking it from one."""
    import torch

    others = torch.logsumexp(logits[:, 1:], dim=1)
    found: Floats = torch.sigmoid(others - logits[:, 0]).cpu().numpy()
    return found
