"""DeepLabV3+ against the shapes of `deeplabv3plus_resnet50` in VainF/DeepLabV3Plus-Pytorch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm
import torch
import torchvision
from torch import nn

from tests.training.detectors.conftest import Publish
from training.detectors import deeplabv3plus
from training.detectors._deeplab import dilate

Shape = tuple[int, ...]
#: What follows the backbone, for 21 classes: each convolution's weight by its published name. All
#: but the last are without bias and followed by batch normalisation, one place further.
HEAD: dict[str, Shape] = {
    "classifier.project.0": (48, 256, 1, 1),
    "classifier.aspp.convs.0.0": (256, 2048, 1, 1),
    "classifier.aspp.convs.1.0": (256, 2048, 3, 3),
    "classifier.aspp.convs.2.0": (256, 2048, 3, 3),
    "classifier.aspp.convs.3.0": (256, 2048, 3, 3),
    "classifier.aspp.convs.4.1": (256, 2048, 1, 1),
    "classifier.aspp.project.0": (256, 1280, 1, 1),
    "classifier.classifier.0": (256, 304, 3, 3),
}
LAST = "classifier.classifier.3"
#: The backbone's stages: blocks, width, whether its first block strides; the last is dilated.
STAGES = {1: (3, 64, 1), 2: (4, 128, 2), 3: (6, 256, 2), 4: (3, 512, 1)}
#: Rate of each 3 x 3 convolution that has one.
RATES = {
    "encoder.layer4.1.conv2": 2, "encoder.layer4.2.conv2": 2,
    "classifier.aspp.convs.1.0": 6, "classifier.aspp.convs.2.0": 12,
    "classifier.aspp.convs.3.0": 18,
}  # fmt: skip


def published() -> Iterator[tuple[str, Shape]]:
    """Every parameter and statistic of the published network, what it calls backbone as encoder."""

    def norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.{part}", (width,)
        yield f"{name}.num_batches_tracked", ()

    yield "encoder.conv1.weight", (64, 3, 7, 7)
    yield from norm("encoder.bn1", 64)
    inner = 64
    for stage, (blocks, width, _) in STAGES.items():
        for block in range(blocks):
            at = f"encoder.layer{stage}.{block}"
            sides = {1: (width, inner, 1, 1), 2: (width, width, 3, 3), 3: (4 * width, width, 1, 1)}
            for number, shape in sides.items():
                yield f"{at}.conv{number}.weight", shape
                yield from norm(f"{at}.bn{number}", shape[0])
            if block == 0:
                yield f"{at}.downsample.0.weight", (4 * width, inner, 1, 1)
                yield from norm(f"{at}.downsample.1", 4 * width)
            inner = 4 * width
    for name, shape in HEAD.items():
        yield f"{name}.weight", shape
        at, number = name.rsplit(".", 1)
        yield from norm(f"{at}.{int(number) + 1}", shape[0])
    yield f"{LAST}.weight", (21, 256, 1, 1)
    yield f"{LAST}.bias", (21,)


def test_layer_by_layer_it_is_the_published_network() -> None:
    with torch.device("meta"):
        model = deeplabv3plus.build(21, "resnet50", None)
    assert {name: tuple(v.shape) for name, v in model.state_dict().items()} == dict(published())
    assert sum(p.numel() for p in model.parameters()) == 39_761_845


def test_strides_and_rates_are_the_published_ones() -> None:
    with torch.device("meta"):
        model = deeplabv3plus.build(21, "resnet50", None)
    convs = {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d)}
    rates = {name: conv.dilation[0] for name, conv in convs.items() if conv.dilation[0] > 1}
    assert rates == RATES
    assert all(conv.padding == conv.dilation for name, conv in convs.items() if name in RATES)
    striding = {name for name, conv in convs.items() if conv.stride != (1, 1)}
    first = {f"encoder.layer{n}.0.{at}" for n in (2, 3) for at in ("conv2", "downsample.0")}
    assert striding == {"encoder.conv1"} | first
    drops = [part.p for part in model.modules() if isinstance(part, nn.Dropout)]
    assert drops == [0.1]


def test_dilation_is_torchvisions_where_torchvision_has_it() -> None:
    ours = torchvision.models.resnet50().eval()
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True]).eval()
    theirs.load_state_dict(ours.state_dict())
    features = torch.randn(1, 1024, 8, 8)
    dilate(ours.layer4)
    assert torch.equal(ours.layer4(features), theirs.layer4(features))


@pytest.mark.parametrize("encoder", ["resnet18", "resnet50"])
def test_a_dilated_stage_sees_what_the_strided_one_saw(encoder: str) -> None:
    """At every other place its outputs are those of the stage with its stride."""
    strided = getattr(torchvision.models, encoder)().eval()
    dilated = getattr(torchvision.models, encoder)().eval()
    dilated.load_state_dict(strided.state_dict())
    dilate(dilated.layer4)
    features = torch.randn(1, strided.fc.in_features // 2, 12, 12)
    with torch.inference_mode():
        few, many = strided.layer4(features), dilated.layer4(features)
    assert few.shape[2:] == (6, 6) and many.shape[2:] == (12, 12)
    torch.testing.assert_close(many[:, :, ::2, ::2], few)


def test_timms_weights_compute_what_timm_computes(publish: Publish) -> None:
    theirs = timm.create_model("resnet18").eval()
    folder = publish(deeplabv3plus.REPOS["resnet18"], theirs.state_dict())
    model = deeplabv3plus.build(2, "resnet18", folder).eval()
    part = model.get_submodule("encoder")
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found = image
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            found = part.get_submodule(name)(found)
        wanted = theirs.forward_intermediates(image, indices=[3], intermediates_only=True)[0]
    torch.testing.assert_close(found, wanted)


def test_statistics_of_a_pretrained_encoder_move_slowly(publish: Publish) -> None:
    folder = publish(deeplabv3plus.REPOS["resnet18"], timm.create_model("resnet18").state_dict())
    for weights, expected in ((folder, {0.01}), (None, {0.1})):
        model = deeplabv3plus.build(2, "resnet18", weights)
        norms = (p for p in model.get_submodule("encoder").modules())
        assert {p.momentum for p in norms if isinstance(p, nn.BatchNorm2d)} == expected
        head = (p for p in model.get_submodule("classifier").modules())
        assert {p.momentum for p in head if isinstance(p, nn.BatchNorm2d)} == {0.1}


def test_the_recipe_is_the_published_one() -> None:
    paper = deeplabv3plus.RECIPES["paper"]
    assert paper.learning_rate == 0.01
    assert paper.learning_rate * paper.encoder_share == pytest.approx(0.001)
    assert (paper.optimiser, paper.momentum, paper.weight_decay) == ("sgd", 0.9, 1e-4)
    assert (paper.schedule, paper.power, paper.floor) == ("poly", 0.9, 1e-6)
    assert (paper.steps, paper.batch, paper.crop) == (30_000, 16, 512)
    assert paper.scale == (0.5, 2.0) and paper.flip and not paper.loss_sum and paper.decay_all
