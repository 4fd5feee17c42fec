"""Tiny GLIDE, in the layout that a converted checkpoint has."""

from dataclasses import replace
from pathlib import Path

import torch
from transformers import GPT2Tokenizer

from jobs.editors.glide_layout import Layout
from jobs.editors.weights import hush
from jobs.tiny.parts import BYTES, seeded

VOCABULARY = {word: index for index, word in enumerate([*BYTES, "<|endoftext|>"])}
BASE = Layout(
    64, 7, (8, 16, 16, 16), 1, 1, "squaredcos_cap_v2", head=8, groups=4, width=16, layers=2,
    heads=2, context=32, vocabulary=len(VOCABULARY),
)  # fmt: skip
UPSAMPLER = replace(BASE, size=128, channels=10, widths=(4, 8, 8, 8))


def stage(folder: Path, layout: Layout, seed: int) -> None:
    """Write network, noise schedule and text encoder of one stage into `folder`."""
    with seeded(seed):
        unet, text = layout.unet(), layout.text()
        for embedding in (text.position, text.padding):
            torch.nn.init.normal_(embedding, std=0.02)
    layout.save(folder, unet, text.state_dict())


def build(folder: Path) -> None:
    """Write the base stage and the tokenizer; no upsampler, which would cost most of the time."""
    top = folder / "glide-inpaint"
    hush()
    stage(top, BASE, seed=8)
    GPT2Tokenizer(vocab=VOCABULARY, merges=[]).save_pretrained(top / "tokenizer")
