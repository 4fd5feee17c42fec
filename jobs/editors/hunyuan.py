"""HunyuanDiT 1.1: text to image only, so repainting blends latents at every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.editors import Editor, Settings
from pipeline.cards import PIPELINE, Card

if TYPE_CHECKING:
    from PIL.Image import Image

CARD = Card(
    title="HunyuanDiT 1.1",
    image="editor",
    gpu_gib=20,
    repos=("Tencent-Hunyuan/HunyuanDiT-v1.1-Diffusers",),
    files=PIPELINE,
    licence="Tencent-Hunyuan-Community",
    size_multiple=16,
    steps=50,
    guidance=5.0,
    pflop=1.44,
    note=(
        "The licence excludes some territories. No inpainting weights exist: latents are blended. "
        "Steps and guidance are the defaults of diffusers' HunyuanDiTPipeline; the scheduler is "
        "the checkpoint's own. `pflop`: from the layers' sizes, two passes a step."
    ),
)

#: What the pipeline calls the answers of its two text encoders (BERT, then T5), and how many tokens
#: each reads: by its name's ending.
NAMES = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_attention_mask",
)
ENCODERS = {"": 77, "_2": 256}


def load(folder: Path, settings: Settings) -> Editor:
    """Read the checkpoint; the same pipeline repaints and makes whole pictures."""
    import torch
    from diffusers import HunyuanDiTPipeline

    from jobs.editors.batched import BatchedEditor
    from jobs.editors.conditions import Encoded
    from jobs.editors.latent_blend import LatentBlend
    from jobs.editors.weights import folders, hush, reading, ready

    hush()
    (path,) = folders(folder, CARD)
    unchecked = {
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipe = HunyuanDiTPipeline.from_pretrained(path, **unchecked, **reading(settings))
    pipe = ready(pipe, settings)

    def encode(prompt: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for which, (suffix, tokens) in enumerate(ENCODERS.items()):
            how = {"max_sequence_length": tokens, "text_encoder_index": which}
            answers = pipe.encode_prompt(prompt, device=settings.device, **how)
            found |= {name + suffix: answer for name, answer in zip(NAMES, answers, strict=True)}
        return found

    def maker(**how: Any) -> Any:
        # Binning would snap small pictures to the supported sizes, all of them above 1 megapixel.
        return pipe(**how, use_resolution_binning=False)

    @torch.no_grad()
    def painter(*, image: Sequence[Image], mask_image: Sequence[Image], **how: Any) -> Any:
        del how["strength"]  # blending always starts from pure noise
        blend = LatentBlend(pipe, image, mask_image, how["generator"])
        return maker(**how, callback_on_step_end=blend)

    return BatchedEditor(CARD, settings, pipe, painter, maker, Encoded(encode))
