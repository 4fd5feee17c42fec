"""CNNSpot and UniversalFakeDet: one logit for a picture."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from pipeline.errors import ConfigError
from tests.training.detectors.conftest import Publish
from training.detectors import cnnspot, universalfakedet

TINY = universalfakedet.TINY


def tower(**more: object) -> nn.Module:
    """The very class that the hub's weights were saved from, made small."""
    return timm.create_model("vit_large_patch14_clip_quickgelu_224", **(TINY | more)).eval()


def openai(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """timm's names of a CLIP image tower -> those under which OpenAI published it."""
    swaps = (
        ("patch_embed.proj", "conv1"), ("blocks.", "transformer.resblocks."),
        ("norm_pre", "ln_pre"), ("attn.qkv.", "attn.in_proj_"), ("attn.proj", "attn.out_proj"),
        ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("norm1", "ln_1"), ("norm2", "ln_2"),
    )  # fmt: skip
    found = {"logit_scale": torch.zeros(())}
    for name, value in state.items():
        name = name.replace("norm.", "ln_post.") if name.startswith("norm.") else name
        for new, old in swaps:
            name = name.replace(new, old)
        found[f"visual.{name}"] = value
    found["visual.class_embedding"] = found.pop("visual.cls_token")[0, 0]
    found["visual.positional_embedding"] = found.pop("visual.pos_embed")[0]
    found["visual.proj"] = found.pop("visual.head.weight").T
    del found["visual.head.bias"]
    return found


def test_cnnspot_is_a_resnet_with_one_logit(publish: Publish) -> None:
    theirs = timm.create_model("resnet18").eval()
    model = cnnspot.build(2, "resnet18", publish(cnnspot.REPOS["resnet18"], theirs.state_dict()))
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        features = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
        found = model.eval().get_submodule("encoder")(images)
    torch.testing.assert_close(found, features)
    assert model(images).shape == (2, 1)
    with torch.device("meta"):
        large = cnnspot.build(2, "resnet50", None)
    assert sum(p.numel() for p in large.parameters()) == 23_508_032 + 2049


def test_the_logit_begins_small() -> None:
    model = cnnspot.build(2, "resnet50", None)
    weight = model.get_submodule("logit").weight
    assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("published", [dict, openai], ids=["timm", "openai"])
def test_universalfakedet_reads_what_clip_says(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, published: object
) -> None:
    """Under timm's names and under OpenAI's; the projection is part of the tower."""
    monkeypatch.setitem(universalfakedet.REPOS, "tiny", "hub/tiny")
    theirs = tower()
    nn.init.zeros_(theirs.head.bias)  # CLIP's projection has none
    assert callable(published)
    folder = publish("hub/tiny", published(theirs.state_dict()))
    model = universalfakedet.build(2, "tiny", folder).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        said = model.get_submodule("encoder")(images)
        torch.testing.assert_close(said, theirs(images))
        assert said.shape == (2, TINY["num_classes"])
        torch.testing.assert_close(model(images), model.get_submodule("logit")(said))


def test_the_tower_is_clips_and_frozen() -> None:
    with torch.device("meta"):
        model = universalfakedet.build(2, "vit_large_patch14_clip_224", None)
    encoder = model.get_submodule("encoder")
    assert not any(p.requires_grad for p in encoder.parameters())
    # 303,966,208 of OpenAI's with the projection, which has a bias here (zeros).
    assert sum(p.numel() for p in encoder.parameters()) == 303_966_208 + 768
    learns = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    assert learns == {"logit.weight": (1, 768), "logit.bias": (1,)}
    assert type(encoder.get_submodule("blocks.0.mlp.act")).__name__ == "QuickGELU"


def test_no_memory_is_spent_on_gradients_of_the_tower() -> None:
    model = universalfakedet.build(2, "tiny", None)
    said = model.get_submodule("encoder")(torch.randn(1, 3, 42, 42))
    assert said.grad_fn is None
    assert model(torch.randn(1, 3, 42, 42)).grad_fn is not None


def test_other_weights_are_refused(publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(universalfakedet.REPOS, "tiny", "hub/tiny")
    folder = publish("hub/tiny", tower(depth=3).state_dict())
    with pytest.raises(ConfigError, match=r"has blocks\.2\.\S+, which the encoder has not"):
        universalfakedet.build(2, "tiny", folder)


def test_the_recipes_are_the_published_ones() -> None:
    for paper, batch in (
        (cnnspot.RECIPES["paper"], 64),
        (universalfakedet.RECIPES["paper"], 256),
    ):
        assert (paper.learning_rate, paper.momentum, paper.weight_decay) == (1e-4, 0.9, 0.0)
        assert (paper.schedule, paper.patience, paper.floor) == ("plateau", 5, 1e-6)
        assert (paper.batch, paper.load, paper.crop, paper.flip) == (batch, 256, 224, True)
    assert cnnspot.RECIPES["paper"].optimiser == "adam"
    assert cnnspot.RECIPES["paper"].blur == cnnspot.RECIPES["paper"].jpeg == 0
    paper = universalfakedet.RECIPES["paper"]
    assert (paper.optimiser, paper.blur, paper.jpeg) == ("adamw", 0.5, 0.5)
    assert paper.mean == timm.data.OPENAI_CLIP_MEAN and paper.std == timm.data.OPENAI_CLIP_STD
