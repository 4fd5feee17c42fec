"""SegFormer, DINOv2 and smp's DeepLabV3+: encoders of libraries, with our folder of weights."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from pipeline.errors import ConfigError
from tests.training.detectors.conftest import Publish
from training.detectors import dinov2, segformer, smpdeeplab


@pytest.mark.parametrize(("encoder", "millions"), [("mit_b0", 3.7), ("mit_b2", 27.4)])
def test_segformer_has_the_published_size(encoder: str, millions: float) -> None:
    """As in table 1 of its paper, which counts for 150 classes: 3.8 and 27.5 million."""
    model = segformer.build(2, encoder, None)
    total = sum(p.numel() for p in model.parameters()) / 1e6
    assert total == pytest.approx(millions, abs=0.1)


def test_segformer_takes_smps_encoder(publish: Publish) -> None:
    theirs = smp.encoders.get_encoder("mit_b0", weights=None).eval()
    state = theirs.state_dict() | {"head.weight": torch.zeros(1000, 256)}
    model = segformer.build(2, "mit_b0", publish(segformer.REPOS["mit_b0"], state)).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found, wanted = model.get_submodule("encoder")(image), theirs(image)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one, other)
    for name, repo in segformer.REPOS.items():
        known = smp.encoders.encoders[name]["pretrained_settings"]["imagenet"]
        assert known["repo_id"] == repo


def test_segformer_takes_sizes_that_are_no_multiple_of_its_stride() -> None:
    model = segformer.build(2, "mit_b0", None).eval()
    for size in (48, 80):
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 2, size, size)


def test_segformers_recipe_is_the_published_one() -> None:
    paper = segformer.RECIPES["paper"]
    assert paper.learning_rate * paper.encoder_share == pytest.approx(6e-5)
    assert (paper.optimiser, paper.weight_decay, paper.decay_all) == ("adamw", 0.01, False)
    assert (paper.warmup, paper.power, paper.floor) == (1500, 1.0, 0.0)
    assert paper.warmup_from == pytest.approx(1e-6 * paper.learning_rate)
    assert (paper.steps, paper.batch, paper.crop) == (40_000, 16, 512)


def test_dinov2_takes_timms_vit(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own names, and those of the original, which has a mask token."""
    monkeypatch.setitem(dinov2.REPOS, "tiny", "hub/tiny")
    theirs = timm.create_model("vit_small_patch14_dinov2", num_classes=0, **dinov2.TINY).eval()
    state = theirs.state_dict() | {"mask_token": torch.zeros(1, 32)}
    model = dinov2.build(2, "tiny", publish("hub/tiny", state)).eval()
    image = torch.randn(1, 3, 28, 28)
    with torch.inference_mode():
        found = model.get_submodule("encoder").forward_features(image)
        torch.testing.assert_close(found, theirs.forward_features(image))


def test_dinov2_is_a_vit_b_at_its_own_grid() -> None:
    with torch.device("meta"):
        model = dinov2.build(9, "vit_base_patch14_dinov2", None)
    vit = model.get_submodule("encoder")
    assert sum(p.numel() for p in vit.parameters()) == 86_580_480 - 768  # a mask token
    assert vit.patch_embed.grid_size == (37, 37)  # 518 px: what 512 px are filled up to
    assert model.depths == [2, 5, 8, 11]
    for name, repo in dinov2.REPOS.items():
        if repo:
            known = timm.models.get_pretrained_cfg(repo.removeprefix("timm/"))
            assert known is not None and known.hf_hub_id == repo
            assert known.license == "apache-2.0" and timm.is_model(name)


def test_padding_to_whole_patches_is_cut_off_again() -> None:
    """What lies left of the padding is where it was: a picture of whole patches and the same one
    with its last rows and columns black, given without them."""
    model = dinov2.build(2, "tiny", None).eval()
    image = torch.randn(1, 3, 56, 56)
    image[:, :, 48:], image[:, :, :, 48:] = 0, 0
    with torch.inference_mode():
        whole, cut = model(image), model(image[:, :, :48, :48])
    assert cut.shape == (1, 2, 48, 48)
    torch.testing.assert_close(cut, whole[:, :, :48, :48])


def test_smps_deeplab_takes_torchvisions_resnet(publish: Publish) -> None:
    theirs = timm.create_model("resnet18").eval()
    folder = publish(smpdeeplab.REPOS["resnet18"], theirs.state_dict())
    model = smpdeeplab.build(2, "resnet18", folder).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        found = model.get_submodule("encoder")(image)[4]  # before the dilated stage
        wanted = theirs.forward_intermediates(image, indices=[3], intermediates_only=True)[0]
    torch.testing.assert_close(found, wanted)
    norms = [p for p in model.get_submodule("encoder").modules() if isinstance(p, nn.BatchNorm2d)]
    assert norms and {norm.momentum for norm in norms} == {0.01}


def test_smps_deeplab_is_the_smaller_net_and_takes_timms_encoders(publish: Publish) -> None:
    with torch.device("meta"):
        model = smpdeeplab.build(21, "resnet50", None)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(26.7, abs=0.05)
    small = smpdeeplab.build(2, "tu-mobilenetv3_small_050", None).eval()
    assert small(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)
    folder = publish("timm/mobilenetv3_small_050.lamb_in1k", {"x": torch.zeros(1)})
    with pytest.raises(ConfigError, match=r"has no published weights: set \S+\.pretrained: false"):
        smpdeeplab.build(2, "tu-mobilenetv3_small_050", folder)
