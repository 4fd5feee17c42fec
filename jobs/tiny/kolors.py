"""Tiny Kolors."""

from pathlib import Path
from typing import Any

import sentencepiece
import torch
from diffusers import EulerDiscreteScheduler

from jobs.editors.kolors import library
from jobs.tiny.parts import ASCII, BETAS, autoencoder, save, seeded
from jobs.tiny.sdxl import unet


def _tokenizer(folder: Path) -> Any:
    """ChatGLM's tokenizer; it works on a file, which is trained in milliseconds."""
    folder.mkdir(parents=True)
    corpus = ["".join(ASCII), "a photo of a cat and a dog", "something else instead"] * 4
    with Path(folder, "tokenizer.model").open("wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus),
            model_writer=model,
            model_type="char",
            vocab_size=90,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )
    return library().ChatGLMTokenizer(model.name)


def _chatglm(vocabulary: int) -> Any:
    config = library().text_encoder.ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=vocabulary,
        hidden_size=16,
        ffn_hidden_size=32,
        kv_channels=8,
        num_attention_heads=2,
        seq_length=256,
        multi_query_attention=True,
        multi_query_group_num=1,
        add_qkv_bias=True,
        rmsnorm=True,
        layernorm_epsilon=1e-5,
        original_rope=True,  # has no default in the class, yet is read
        use_cache=False,
    )
    model = library().ChatGLMModel(config)
    # The class allocates its weights without giving them values.
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.05)
        else:
            torch.nn.init.constant_(weight, 1.0 if "norm" in name else 0.0)
    return model


def build(folder: Path) -> None:
    """Write the checkpoint below `folder`."""
    path = folder / "Kolors-diffusers"
    tokenizer = _tokenizer(path / "tokenizer")
    betas = BETAS | {"beta_end": 0.014}
    with seeded(5):
        pipe = library().KolorsPipeline(
            vae=autoencoder(0.13025),
            text_encoder=_chatglm(len(tokenizer) + 8),
            tokenizer=tokenizer,
            unet=unet(16, encoder_hid_dim=16, encoder_hid_dim_type="text_proj"),
            scheduler=EulerDiscreteScheduler(
                num_train_timesteps=1100, timestep_spacing="leading", steps_offset=1, **betas
            ),
        )
    save(pipe, path)
