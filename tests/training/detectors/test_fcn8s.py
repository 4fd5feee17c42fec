"""FCN-8s: the published layers, and the ring that computes them faster."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.models.vgg import VGG

from tests.training.detectors.conftest import Publish
from training import encoders
from training.detectors import fcn8s
from training.detectors._fcn import Fcn8s, Vgg

#: The published network's layers: outputs, inputs, side.
PUBLISHED = {
    "conv1_1": (64, 3, 3), "conv1_2": (64, 64, 3),
    "conv2_1": (128, 64, 3), "conv2_2": (128, 128, 3),
    "conv3_1": (256, 128, 3), "conv3_2": (256, 256, 3), "conv3_3": (256, 256, 3),
    "conv4_1": (512, 256, 3), "conv4_2": (512, 512, 3), "conv4_3": (512, 512, 3),
    "conv5_1": (512, 512, 3), "conv5_2": (512, 512, 3), "conv5_3": (512, 512, 3),
    "fc6": (4096, 512, 7), "fc7": (4096, 4096, 1),
    "score_fr": (21, 4096, 1), "score_pool4": (21, 512, 1), "score_pool3": (21, 256, 1),
}  # fmt: skip
WIDTHS = (4, 8, 8, 16, 16)


def random_net(ring: bool = True) -> Fcn8s:
    """Small, with no parameter that is zero, in double precision."""
    model = Fcn8s(Vgg(WIDTHS, 32), 3, 0.01, 0.1, ring).double()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model.eval()


def test_the_layers_are_the_published_ones() -> None:
    with torch.device("meta"):
        model = fcn8s.build(21, "vgg16", None)
    found = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    weights = [shape for name, shape in found.items() if name.endswith("weight")]
    published = [(outer, inner, side, side) for outer, inner, side in PUBLISHED.values()]
    assert sorted(weights) == sorted(published)
    assert len(found) == 2 * len(weights)  # each with its bias
    total = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert total == sum(o * i * s * s + o for o, i, s in PUBLISHED.values())
    assert total / 1e6 == pytest.approx(134.3, abs=0.1)


def test_the_published_form_pads_by_a_hundred_and_halves_five_times() -> None:
    net = Vgg(WIDTHS, 32)
    three, four = net.padded(torch.zeros(1, 3, 64, 64))
    assert (three.shape[2], four.shape[2]) == (33, 17)  # 262, 131, 66, 33, 17
    assert net.stage(4, four).shape[2] == 9
    first = torch.nn.functional.conv2d(
        torch.zeros(1, 3, 64, 64), net.convs(0)[0].weight, padding=100
    )
    assert first.shape[2] == 64 + 198


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 80), batch=st.integers(1, 2), seed=st.integers(0, 99))
def test_the_ring_gives_the_padded_forms_outputs_and_gradients(
    size: int, batch: int, seed: int
) -> None:
    torch.manual_seed(seed)
    ringed = random_net()
    padded = copy.deepcopy(ringed)
    padded.ring = False
    images = torch.randn(batch, 3, size, size, dtype=torch.float64)
    weigh = torch.randn(batch, 3, size, size, dtype=torch.float64)
    outputs = []
    for model in (ringed, padded):
        outputs.append(model(images))
        (outputs[-1] * weigh).sum().backward()
    assert outputs[0].shape == (batch, 3, size, size)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-9)
    for (name, one), other in zip(ringed.named_parameters(), padded.parameters(), strict=True):
        if one.grad is not None and other.grad is not None:
            scale = float(other.grad.abs().max())
            torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9 * scale, msg=name)
    assert all(p.grad is not None for p in ringed.parameters() if p.requires_grad)


def test_the_ring_gives_whole_canvases_in_single_precision() -> None:
    net = random_net().float().encoder
    images = torch.randn(2, 3, 96, 96)
    for one, other in zip(net.ringed(images), net.padded(images), strict=True):
        largest = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * largest)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_exported_it_gives_the_same(tmp_path: Path) -> None:
    import onnxruntime

    model, image = random_net().float(), torch.randn(1, 3, 48, 48)
    torch.onnx.export(model, (image,), tmp_path / "net.onnx", dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.inference_mode():
        wanted = model(image)
    torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=0,
                               atol=1e-5 * float(wanted.abs().max()))  # fmt: skip


def test_scores_begin_at_zero_and_the_ups_are_bilinear() -> None:
    model = Fcn8s(Vgg(WIDTHS, 32), 3, 1.0, 1.0)
    assert not model.eval()(torch.randn(1, 3, 32, 32)).any()
    scores = torch.randn(1, 3, 9, 9)
    for layer, factor in ((model.upscore2, 2), (model.upscore8, 8)):
        assert not layer.weight.requires_grad
        cut = factor // 2  # a transposed convolution adds half a place on each side
        found = layer(scores)[:, :, cut:-cut, cut:-cut]
        wanted = torch.nn.functional.interpolate(scores, scale_factor=factor, mode="bilinear")
        inside = slice(factor, -factor)  # interpolation repeats the border, which this has not
        torch.testing.assert_close(found[..., inside, inside], wanted[..., inside, inside])


def test_the_factors_of_the_skips_follow_the_encoder() -> None:
    with torch.device("meta"):
        assert fcn8s.build(2, "vgg16", None).get_submodule("").scales == (0.0001, 0.01)
        assert fcn8s.build(2, "vgg16-unscaled", None).get_submodule("").scales == (1.0, 1.0)


def test_dropout_takes_whole_channels_of_fc6_and_fc7() -> None:
    model = Fcn8s(Vgg(WIDTHS, 32), 3, 1.0, 1.0)
    assert isinstance(model.drop, torch.nn.Dropout2d) and model.drop.p == 0.5
    torch.nn.init.normal_(model.score_fr.weight)
    images = torch.randn(1, 3, 32, 32)
    assert not torch.equal(model.train()(images), model(images))


def test_timms_vgg16_has_these_names_and_shapes() -> None:
    with torch.device("meta"):
        known = timm.create_model("vgg16").state_dict()
        net = Vgg((64, 128, 256, 512, 512), 4096).state_dict()
    given = fcn8s._renamed({name: v for name, v in known.items() if not name.startswith("head.")})
    assert {name: v.shape for name, v in given.items()} == {n: v.shape for n, v in net.items()}


def test_timms_weights_compute_what_timm_computes(publish: Publish) -> None:
    """In a narrow VGG16 of timm's own class: its features, and its two layers of 4,096."""
    parts = [[width] * depth + ["M"] for width, depth in zip(WIDTHS, (2, 2, 3, 3, 3), strict=True)]
    theirs = VGG([part for some in parts for part in some]).eval()
    folder = publish(fcn8s.REPO, theirs.state_dict())
    ours = Vgg(WIDTHS, 4096)
    encoders.fill("fcn8s", ours, folder, convert=fcn8s._renamed, ignore=("head.",))
    image = torch.randn(1, 3, 224, 224)
    found = image
    with torch.inference_mode():
        for number in range(5):
            found = ours.stage(number, found)
        torch.testing.assert_close(found, theirs.forward_features(image))
        found = torch.relu(ours.fc7(torch.relu(ours.fc6(found))))
        torch.testing.assert_close(found, theirs.pre_logits(theirs.forward_features(image)))


def test_the_recipe_is_the_published_one() -> None:
    paper = fcn8s.RECIPES["paper"]
    assert (paper.learning_rate, paper.momentum, paper.weight_decay) == (1e-10, 0.99, 5e-4)
    assert (paper.steps, paper.batch, paper.schedule) == (100_000, 1, "constant")
    assert paper.loss_sum and paper.bias_share == 2 and not paper.decay_all
    assert paper.scale is None and paper.crop is None and not paper.flip
