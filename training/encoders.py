"""A detector's pretrained encoder, read from a folder as the model hub lays it out.

Only `model.safetensors` of the folder given is read: no download, no pickle, no code. Tensors must
be the encoder's own, name by name and shape by shape; whatever does not fit is a ConfigError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import store
from pipeline.errors import ConfigError, CorruptData

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]
FILE = "model.safetensors"


def check(detector: str, encoder: str, weights: Path | None, repos: Mapping[str, str]) -> None:
    """Whether `encoder` is one of the detector's, and `weights` (None = none wanted) the folder of
    its repository. `repos` has the hub id of each encoder, "" for one without published weights."""
    if encoder not in repos:
        raise ConfigError(f"detectors.{detector}.encoder: {encoder!r} is none of its encoders "
                          f"({', '.join(repos)})")  # fmt: skip
    if weights is None:
        return
    repo = repos[encoder]
    if not repo:
        raise ConfigError(f"detectors.{detector}.encoder: {encoder!r} has no published weights: "
                          f"set detectors.{detector}.pretrained: false")  # fmt: skip
    if weights.name != repo.rsplit("/", 1)[-1]:
        raise ConfigError(
            f"{weights} does not hold the encoder {encoder!r}, whose weights are {repo}: choose "
            f"the encoder that belongs to the folder, or set detectors.{detector}.pretrained: false"
        )


def fill(
    detector: str, module: torch.nn.Module, weights: Path, *,
    convert: Callable[[State], State] = dict, ignore: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Put the weights of a folder into `module`. `convert` turns the file's names (and layouts)
    into the module's; what begins with one of `ignore`, a classifier for instance, is left out.

    ConfigError names the file and the first tensor that is missing, too many or of another shape;
    CorruptData a file that is no safetensors."""
    path, wanted = weights / FILE, module.state_dict()
    given = convert({
        name: value for name, value in _read(detector, path).items()
        if not name.startswith(ignore)
    })  # fmt: skip
    # A counter that training never reads; older checkpoints were written without it.
    counters = {name: wanted[name] for name in wanted if name.endswith("num_batches_tracked")}
    given = counters | given
    wrong = [f"lacks {name}" for name in wanted if name not in given]
    wrong += [f"has {name}, which the encoder has not" for name in given if name not in wanted]
    wrong += [
        f"has {name} of shape {_shape(given[name])} instead of {_shape(wanted[name])}"
        for name in wanted if name in given and given[name].shape != wanted[name].shape
    ]  # fmt: skip
    if wrong:
        more = f" (the first of {len(wrong)} faults)" if len(wrong) > 1 else ""
        raise ConfigError(
            f"{path} is not the encoder of {detector}: it {wrong[0]}{more}; run `palimpsest models "
            f"fetch` for the right one, or set detectors.{detector}.pretrained: false"
        )
    module.load_state_dict(given)


def _read(detector: str, path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not path.is_file():
        raise ConfigError(f"{path} is missing: run `palimpsest models fetch`, or set "
                          f"detectors.{detector}.pretrained: false")  # fmt: skip
    data = path.read_bytes()
    lock = store.read(path.parent)
    ought = lock.files.get(path.name) if lock else None
    # Looked at again: another process checked the folder, and what is read now may be another file.
    if ought and hashlib.sha256(data).hexdigest() != ought.sha256:
        raise CorruptData(f"{path} is not what its lock says: move its folder away and run "
                          "`palimpsest models fetch`")  # fmt: skip
    try:
        state: State = load(data)
    except SafetensorError as error:
        raise CorruptData(f"{path} cannot be read ({error}): move its folder away and run "
                          "`palimpsest models fetch`") from None  # fmt: skip
    return state


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "one number"


def of_vit(state: State, module: torch.nn.Module) -> State:
    """A ViT's tensors under timm's names, for `fill`; hubs hold some under OpenAI's or Meta's."""
    from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn

    if not isinstance(module, VisionTransformer):
        raise TypeError(f"{type(module).__name__} is no ViT of timm's")
    return checkpoint_filter_fn(state, module)
