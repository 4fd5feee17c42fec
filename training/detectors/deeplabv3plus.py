"""DeepLabV3+ (Chen et al. 2018, arXiv 1802.02611), from segmentation_models_pytorch.

Output stride 16 and rates 6, 12, 18 as in the paper's "default hyperparameters"; the library's
separable convolutions make a smaller net (27 M parameters with resnet50) than theirs (40 M).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import torch


def build(classes: int, encoder: str, pretrained: bool) -> torch.nn.Module:
    """(B, 3, S, S) float32 -> logits (B, classes, S, S); S must be a multiple of 16.

    `encoder` is one of the library's, such as "resnet50", or timm's, such as "tu-resnet10t".
    `pretrained` fetches the encoder's ImageNet weights (or finds them in the hub's local cache).
    """
    import segmentation_models_pytorch as smp
    import timm
    from torch.nn import BatchNorm2d

    of_timm = encoder.startswith("tu-") and timm.is_model(encoder.removeprefix("tu-"))
    if encoder not in smp.encoders.encoders and not of_timm:
        raise ConfigError(
            f"detectors.deeplabv3plus.encoder: segmentation_models_pytorch has no {encoder!r}"
        )
    try:
        model = smp.DeepLabV3Plus(
            encoder_name=encoder, encoder_weights="imagenet" if pretrained else None,
            encoder_output_stride=16, decoder_atrous_rates=(6, 12, 18), classes=classes,
        )  # fmt: skip
    except Exception as error:
        if not pretrained:
            raise
        # Whatever it was (no network, no such weights, a half-filled cache), the way out is one.
        raise ConfigError(
            f"no ImageNet weights for the encoder {encoder!r} ({type(error).__name__}): without a "
            "network, set detectors.deeplabv3plus.pretrained: false"
        ) from error
    if pretrained:  # small steps for statistics that took a million pictures to gather
        for layer in model.encoder.modules():
            if isinstance(layer, BatchNorm2d):
                layer.momentum = 0.01
    return cast("torch.nn.Module", model)
