"""Stands between a family and its library, and lets go wrong there what goes wrong on a GPU."""

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from jobs.editors import Editor

#: Gets the library's call and its keyword arguments; returns (N, H, W, 3) floats in 0..1.
Act = Callable[[Callable[[], np.ndarray], dict[str, Any]], np.ndarray]


class Between:
    """Called as a pipeline is, or as a stage of GLIDE by `paint`; everything else is the real
    one's. `flags` is what a safety checker would say."""

    def __init__(self, real: Any, act: Act, flags: bool = False) -> None:
        self._real, self._act, self._flags = real, act, flags

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __call__(self, **how: Any) -> Any:
        made = self._act(lambda: self._real(**how).images, how)
        return SimpleNamespace(images=made, nsfw_content_detected=[self._flags] * len(made))

    def paint(self, **how: Any) -> torch.Tensor:
        def call() -> np.ndarray:
            made: torch.Tensor = self._real.paint(**how)
            return (made.permute(0, 2, 3, 1).numpy() + 1) / 2

        return torch.from_numpy(self._act(call, how) * 2 - 1).permute(0, 3, 1, 2)


def given(how: dict[str, Any]) -> np.ndarray:
    """The photographs that a library was given, (N, H, W, 3) floats in 0..1."""
    if "photographs" in how:
        known: np.ndarray = (how["photographs"].permute(0, 2, 3, 1).numpy() + 1) / 2
        return known
    return np.stack([np.asarray(picture) for picture in how["image"]]) / np.float32(255)


def between(editor: Editor, act: Act, flags: bool = False) -> Editor:
    """`editor` with `act` in the place of its repainting pipeline."""
    field = "base" if hasattr(editor, "base") else "painter"
    fake = Between(getattr(editor, field), act, flags)
    return dataclasses.replace(editor, **{field: fake})  # type: ignore[type-var]
