"""A repository's weights are fetched once, in the one form that is read."""

from __future__ import annotations

import pytest

from jobs.models_files import wanted
from pipeline.cards import card
from pipeline.errors import InputError

PUBLISHED = [
    "model_index.json", "unet/config.json", "unet/model.safetensors", "unet/model.bin",
    "unet/model.fp16.safetensors", "unet/model.non_ema-00001-of-00002.safetensors",
    "text_encoder/model-00001-of-00002.safetensors",
    "text_encoder/model-00002-of-00002.safetensors",
    "text_encoder/model.safetensors.index.json", "text_encoder/model.safetensors.index.fp16.json",
    "text_encoder/tokenization.py", "tokenizer/spiece.model", "text_encoders/t5xxl.safetensors",
    "vae_1_0/model.safetensors", "everything.safetensors", "Hyper-SDXL-8steps-lora.safetensors",
    ".gitattributes", "README.md",
]  # fmt: skip


def test_a_pipelines_parts_are_fetched_once_each() -> None:
    chosen = wanted("org/a", PUBLISHED, card("editors", "flux").files)
    assert chosen == [
        "model_index.json", "unet/config.json", "unet/model.safetensors",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json", "tokenizer/spiece.model",
    ]  # fmt: skip
    assert "everything.safetensors" in wanted("org/a", PUBLISHED, ())


def test_one_file_is_fetched_of_the_adapters() -> None:
    many = [f"Hyper-{base}-{n}steps-lora.safetensors" for base in ("SD15", "SDXL") for n in (4, 8)]
    facts = card("editors", "sdxl_lora")
    assert wanted(facts.repos[1], many, facts.files) == [many[-1]]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["unet/model.fp16.safetensors", "vae/model.safetensors"], "no weights of unet/ in full"),
        (["model_index.json", "unet/model.bin"], r"no weights as \*.safetensors"),
        ([], "no weights as"),
    ],
)
def test_a_repository_without_readable_weights_is_said_to_be_one(
    names: list[str], says: str
) -> None:
    with pytest.raises(InputError, match=f"org/a publishes {says}.*or change the model's card"):
        wanted("org/a", names, card("editors", "sdxl").files)
