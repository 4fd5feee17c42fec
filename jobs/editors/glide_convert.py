"""GLIDE's published checkpoints as a folder of stock classes, in safetensors.

    run   python -m jobs.editors.glide_convert --inpaint base_inpaint.pt \\
              --upsampler upsample_inpaint.pt --tokenizer gpt2/ --out models/glide-inpaint

The files are torch pickles (https://openaipublic.blob.core.windows.net/diffusion/dec-2021/) and are
read with `weights_only`; `--tokenizer` is a hub folder of GPT-2, whose vocabulary GLIDE has. What
was written is locked, as fetched weights are.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from jobs.editors.glide_keys import moves
from jobs.editors.glide_layout import PUBLISHED, Layout, empty
from pipeline import store
from pipeline.errors import InputError, guard
from pipeline.store import Lock


def convert(published: Mapping[str, Tensor], layout: Layout, folder: Path) -> None:
    """Write one published state dict as a stage below `folder`, in float32. An `InputError` names
    the first tensor that is not what the layout says."""
    known = moves(layout)
    if strange := sorted(published.keys() ^ known.keys()):
        raise InputError(
            f"this is not the expected model of GLIDE: {strange[0]!r} is one of {len(strange)} "
            "tensors too many or too few"
        )
    ours: dict[str, Tensor] = {}
    for name, move in known.items():
        ours |= {target: part.float().contiguous() for target, part in move.take(published[name])}
    unet, text = empty(layout)
    said = {name.removeprefix("text."): ours.pop(name) for name in [*ours] if name[:5] == "text."}
    try:
        unet.load_state_dict(ours, assign=True)
        text.load_state_dict(said, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(f"this is not the expected model of GLIDE: {first}") from error
    layout.save(folder, unet, said)


def _numbers(path: Path) -> dict[str, Tensor]:
    """The tensors of a torch pickle; nothing else in it is run."""
    try:
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path} holds more than numbers: download it again") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    return found


def main(argv: list[str]) -> int:
    from transformers import AutoTokenizer

    parser = argparse.ArgumentParser(description="convert GLIDE's published checkpoints")
    for name in ("inpaint", "upsampler", "tokenizer", "out"):
        parser.add_argument(f"--{name}", type=Path, required=name != "upsampler")
    args = parser.parse_args(argv)
    files = {"": (args.inpaint, "base_inpaint"), "upsampler": (args.upsampler, "upsample_inpaint")}
    for part, (path, name) in files.items():
        if path is not None:
            convert(_numbers(path), PUBLISHED[name], args.out / part)
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer, local_files_only=True)
    tokenizer.save_pretrained(args.out / "tokenizer")
    store.write(args.out, Lock(repo="", commit="", files=store.survey(args.out).files))
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
