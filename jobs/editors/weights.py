"""Local weights in, quiet frozen pipelines out: the same for every family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from jobs.editors import Settings
from pipeline.cards import Card
from pipeline.errors import ConfigError


def folders(folder: Path, card: Card) -> list[Path]:
    """Where each of the card's repositories lies below `folder`, in the card's order."""
    found = list(card.folders(folder))
    first = "accept the licence on the hub, " if card.gated else ""
    for path, repo in zip(found, card.repos, strict=True):
        if not path.is_dir():
            raise ConfigError(
                f"{card.title} has no weights at {path}: {first}download {repo} into that folder, "
                "or leave this family out of the profile"
            )
    return found


def reading(settings: Settings, *precise: str) -> dict[str, Any]:
    """Arguments of every `from_pretrained`: this disk only, safetensors only, the wished dtype,
    but float32 for the parts of a pipeline that are `precise`."""
    dtype = getattr(torch, settings.dtype)
    parts = {"default": dtype, **dict.fromkeys(precise, torch.float32)}
    return {
        "local_files_only": True,
        "use_safetensors": True,
        "dtype": parts if precise else dtype,
    }


def hush() -> None:
    """Keep the libraries to errors.

    They log a line for every prompt longer than a text encoder reads, and draw a bar for every
    loaded part: noise in the log of a job that makes a million edits.
    """
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def ready(pipe: Any, settings: Settings) -> Any:
    """The pipeline on its device, without bars, each network frozen and in eval mode."""
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    return pipe.to(settings.device)


def draws(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator a sample: a sample's noise depends on neither its batch nor its device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]
