"""Tiny GroundingDINO and SAM: they find boxes and masks everywhere, which mean nothing."""

from pathlib import Path
from typing import Any

from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    SamConfig,
    SamImageProcessor,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
)

from jobs.editors.weights import hush
from jobs.tiny.parts import ASCII, seeded

#: Pixels of the longer edge that both networks see.
SIDE = 128
#: BERT's numbers of these tokens. GroundingDINO has the last four written into its code.
PLACES = {"[PAD]": 0, "[UNK]": 100, "[MASK]": 103, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}


def tokenizer() -> Any:
    """BERT's tokenizer over ASCII, with its special tokens where the real one has them."""
    words = [*(c for c in ASCII if c not in PLACES), *("##" + c for c in ASCII)]
    words += [f"[unused{i}]" for i in range(1030 - len(PLACES) - len(words))]
    free = sorted(set(range(1030)) - set(PLACES.values()))
    return BertTokenizer(vocab=PLACES | dict(zip(words, free, strict=True)), model_max_length=512)


def _detector(vocabulary: int) -> Any:
    text = BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    backbone = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=16,
        depths=[1] * 4,
        num_heads=[2] * 4,
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )
    return GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            text_config=text.to_dict(),
            backbone_config=backbone,
            d_model=32,
            encoder_layers=1,
            decoder_layers=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            num_queries=20,
            num_feature_levels=4,
        )
    )


def _sam() -> Any:
    grid = {"image_size": SIDE, "patch_size": 16}
    vision = SamVisionConfig(
        hidden_size=16,
        output_channels=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        window_size=4,
        global_attn_indexes=[1],
        num_pos_feats=8,
        mlp_dim=32,
        **grid,
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=16,
        mlp_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        iou_head_hidden_dim=16,
        attention_downsample_rate=2,
    )
    prompts = SamPromptEncoderConfig(hidden_size=16, mask_input_channels=4, **grid)
    return SamModel(
        SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    )


def build(folder: Path) -> None:
    """Write both checkpoints below `folder`."""
    hush()
    finder, cutter = folder / "grounding-dino-base", folder / "sam-vit-huge"
    words = tokenizer()
    with seeded(9):
        _detector(len(words)).save_pretrained(finder)
        _sam().save_pretrained(cutter)
    words.save_pretrained(finder)
    GroundingDinoImageProcessor(size={"shortest_edge": SIDE, "longest_edge": SIDE}).save_pretrained(
        finder
    )
    SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE // 4},
        mask_pad_size={"height": SIDE // 4, "width": SIDE // 4},
    ).save_pretrained(cutter)
