"""Tiny HunyuanDiT 1.1."""

from pathlib import Path
from typing import Any

from diffusers import DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
from transformers import BertConfig, BertModel

from jobs.tiny.parts import (
    BETAS,
    autoencoder,
    bert_tokenizer,
    save,
    seeded,
    t5_encoder,
    t5_tokenizer,
)


def _transformer() -> Any:
    return HunyuanDiT2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        in_channels=4,
        cross_attention_dim=16,
        cross_attention_dim_t5=16,
        pooled_projection_dim=8,
        hidden_size=24,
        learn_sigma=True,
        text_len=77,
        text_len_t5=256,
        activation_fn="gelu-approximate",
        mlp_ratio=2.0,
        use_style_cond_and_image_meta_size=True,  # this is what makes it version 1.1
    )


def build(folder: Path) -> None:
    """Write the checkpoint below `folder`."""
    bert, t5 = bert_tokenizer(), t5_tokenizer(256)
    betas = BETAS | {"beta_end": 0.02}
    text = BertConfig(
        vocab_size=len(bert),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=80,
    )
    with seeded(6):
        pipe = HunyuanDiTPipeline(
            vae=autoencoder(0.13025),
            text_encoder=BertModel(text),
            tokenizer=bert,
            transformer=_transformer(),
            text_encoder_2=t5_encoder(16, t5),
            tokenizer_2=t5,
            scheduler=DDPMScheduler(
                prediction_type="v_prediction", clip_sample=False, steps_offset=1, **betas
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    save(pipe, folder / "HunyuanDiT-v1.1-Diffusers")
