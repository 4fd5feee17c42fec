"""Prompts as embeddings, each text encoded once: a removal's prompt is that of many samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

#: Texts whose embeddings are kept. One of T5's is 4 MiB (512 tokens of 4096 bfloat16 numbers).
KEPT = 64


class Encoded:
    """From prompts to the keyword arguments of a pipeline that carry them, one row a prompt.

    Each text is encoded alone, so a sample's embedding does not depend on its batch.
    """

    def __init__(self, encode: Callable[[str], dict[str, Tensor]]) -> None:
        self._one = lru_cache(KEPT)(torch.no_grad()(encode))

    def __call__(self, prompts: Sequence[str]) -> dict[str, Any]:
        rows = [self._one(prompt) for prompt in prompts]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def prompted(pipe: Any, names: Iterable[str], **how: Any) -> Encoded:
    """By the pipeline's own `encode_prompt`, whose answers are called `names`, "" = not wanted."""

    def encode(prompt: str) -> dict[str, Tensor]:
        answers = pipe.encode_prompt(prompt, **how)
        return {name: found for name, found in zip(names, answers, strict=True) if name}

    return Encoded(encode)


#: What the Stable Diffusion XL and 3 pipelines, and those made from them, answer.
POOLED = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
