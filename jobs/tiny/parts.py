"""Parts that several tiny families share: tokenizers, text encoders, the autoencoder.

All of them are made from seeds, in memory, without a download.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from tokenizers import pre_tokenizers
from transformers import (
    BertTokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from jobs.editors.weights import hush

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
ASCII = [chr(code) for code in range(33, 127)]

#: The latent diffusion noise schedule, and the UNet size, that several families use.
BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
UNET: dict[str, Any] = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights drawn from `seed`, the process's own random state left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def save(pipe: Any, path: Path) -> None:
    """Write a pipeline in hub layout, without a bar for each file of a few kilobytes."""
    hush()
    pipe.save_pretrained(path)


def clip_tokenizer() -> Any:
    """CLIP's tokenizer over single bytes."""
    words = [*BYTES, *(byte + "</w>" for byte in BYTES), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def t5_tokenizer(length: int) -> Any:
    """T5's tokenizer over ASCII; the library wants `<unk>` to be id 2."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(character, -4.0) for character in ASCII]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def bert_tokenizer() -> Any:
    """BERT's tokenizer over ASCII."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *ASCII, *("##" + c for c in ASCII)]
    vocabulary = {word: index for index, word in enumerate(words)}
    return BertTokenizer(vocab=vocabulary, model_max_length=77)


def clip_text(width: int, tokenizer: Any, projection: int | None = None) -> Any:
    """CLIP's text encoder; with `projection` the variant that ends in one."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=projection or width,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)


def t5_encoder(width: int, tokenizer: Any) -> Any:
    """T5's encoder."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def autoencoder(
    scale: float, latent: int = 4, shift: float | None = None, *, quantised: bool = True
) -> Any:
    """An autoencoder that shrinks eight-fold, as the real ones do."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        latent_channels=latent,
        norm_num_groups=4,
        sample_size=64,
        use_quant_conv=quantised,
        use_post_quant_conv=quantised,
        scaling_factor=scale,
        shift_factor=shift,
    )
