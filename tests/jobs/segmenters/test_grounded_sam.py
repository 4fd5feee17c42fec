"""GroundingDINO and SAM from tiny checkpoints, by the code that reads the real ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jobs.segment import segment
from jobs.segmenters import Seen
from jobs.segmenters.detector import Detector, Hit, matched
from jobs.segmenters.grounded_sam import CARD, GroundedSam, load
from jobs.segmenters.phrases import text
from pipeline.config import Config, RegionRules
from pipeline.documents import NamedObject, Objects, Source
from pipeline.errors import ConfigError
from pipeline.records import Reject, Segmented, ToSegment
from pipeline.store import digest
from tests.jobs.segmenters.test_phrases import HOSTILE

PHOTOS = Path(__file__).parents[2] / "data" / "photos" / "images"
SOURCE = Source(source_id="s", split="train", base="real")
NAMES = (("cat", "a red car"), ("person",), ("tree", "cup", "bench", "sky"))


def photo(name: str, side: int = 96) -> np.ndarray:
    with Image.open(PHOTOS / f"{name}.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((side, side)))


def item(key: str, image: np.ndarray, *names: str) -> ToSegment:
    objects = tuple(NamedObject(name=name) for name in names)
    return ToSegment(key, SOURCE, image, Objects(objects=objects))


@pytest.fixture(scope="session")
def config(configured: Callable[..., Config], tiny_root: Path) -> Config:
    return configured(
        segmenter="grounded_sam", regions={"box_threshold": 0, "text_threshold": 0},
        editing={"weights": "tiny", "folder": str(tiny_root), "batch": 4},
    )  # fmt: skip


@pytest.fixture(scope="session")
def model(config: Config) -> GroundedSam:
    loaded = load(config)
    assert isinstance(loaded, GroundedSam)
    return loaded


@pytest.fixture(scope="session")
def three() -> list[ToSegment]:
    images = [photo(name) for name in ("astronaut", "chelsea", "coffee")]
    return [item(str(i), images[i], *NAMES[i]) for i in range(3)]


def alike(one: Seen, other: Seen) -> None:
    assert [f.thing for f in one.found] == [f.thing for f in other.found] and one.found
    for a, b in zip(one.found, other.found, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-5)
        assert a.box == pytest.approx(b.box, abs=1e-2)
        assert a.predicted_iou == pytest.approx(b.predicted_iou, abs=1e-5)
        assert (a.mask != b.mask).mean() < 1e-3


def test_three_at_once_are_three_times_one(model: GroundedSam, three: list[ToSegment]) -> None:
    for one, alone in zip(three, model.segment(three), strict=True):
        alike(alone, model.segment([one])[0])


def test_a_picture_of_more_texts_than_fit_a_batch(model: GroundedSam) -> None:
    """Forty long phrases are several texts; each still finds its own object."""
    names = [f"{'wonderful ' * 8}thing {i}" for i in range(40)]
    (groups,) = [model.detector._groups(names)]
    assert len(groups) > model.detector.batch
    (seen,) = model.segment([item("0", photo("coffee"), *names)])
    assert 0 < len(seen.found) <= model.detector.rules.max_boxes
    owners = [int(one.thing.name.split()[-1]) for one in seen.found]
    assert owners == sorted(owners) and len(set(owners)) > 1


def test_what_is_found_is_in_the_order_of_the_objects_and_the_best_box_first(
    model: GroundedSam, three: list[ToSegment]
) -> None:
    for one, seen in zip(three, model.segment(three), strict=True):
        names = [thing.name for thing in one.objects.objects]
        order = [(names.index(f.thing.name), -(f.score or 0)) for f in seen.found]
        assert order == sorted(order)
        assert all(f.mask.shape == one.image.shape[:2] and f.mask.dtype == bool for f in seen.found)


def test_a_device_with_little_memory_gives_the_same(
    model: GroundedSam, three: list[ToSegment], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.segment(three)
    forward, encode, shapes = Detector._forward, type(model.masker)._encode, list[int]()

    def tight(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: Any, pictures: list[np.ndarray], *more: Any) -> Any:
            if len(pictures) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            shapes.append(len(pictures))
            return real(self, pictures, *more)

        return run

    monkeypatch.setattr(Detector, "_forward", tight(forward))
    monkeypatch.setattr(type(model.masker), "_encode", tight(encode))
    for one, other in zip(whole, model.segment(three), strict=True):
        alike(one, other)
    assert shapes == [1] * 6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_works(
    model: GroundedSam, three: list[ToSegment], dtype: torch.dtype
) -> None:
    """Whether it finds the same cannot be told: random weights decide by the last digits."""
    detector = dataclasses.replace(model.detector, dtype=dtype)
    masker = dataclasses.replace(model.masker, dtype=dtype)
    for seen in dataclasses.replace(model, detector=detector, masker=masker).segment(three):
        assert len(seen.found) > 1 and {f.mask.shape for f in seen.found} == {(96, 96)}
        assert all(f.predicted_iou is not None and abs(f.predicted_iou) < 1 for f in seen.found)


def test_nothing_asked_is_nothing_found(model: GroundedSam) -> None:
    image = photo("coffee")
    asked = [item("0", image), item("1", image, "..."), item("2", image, "cup")]
    none, unreadable, cup = model.segment(asked)
    assert none == Seen([])
    assert unreadable == Seen([], ("object 0: its name has no letter or digit",))
    assert cup.found and not cup.notes
    assert model.segment([]) == []


@pytest.mark.parametrize("names", [HOSTILE, [HOSTILE[0]], HOSTILE[6:8]])
def test_hostile_names_do_no_harm(model: GroundedSam, names: list[str]) -> None:
    (seen,) = model.segment([item("0", photo("coffee", 64), *names)])
    assert seen.found and {f.thing.name for f in seen.found} <= set(names)
    assert seen.notes


def test_the_same_name_twice_is_found_under_the_first(model: GroundedSam) -> None:
    image = photo("coffee")
    twice, once = model.segment([item("0", image, "cup", "cup"), item("1", image, "cup")])
    alike(twice, once)


def test_the_stage_keeps_what_both_models_said(
    model: GroundedSam, config: Config, three: list[ToSegment]
) -> None:
    for result in segment(model, config.regions, three):
        assert isinstance(result, Segmented)
        for region in result.regions.regions:
            assert region.origin == "segmenter" and region.score is not None
            assert region.quality and region.quality.components >= 1
            assert region.quality.predicted_iou is not None
            assert 0 <= (region.quality.box_agreement or 0) <= 1


def test_above_the_thresholds_there_is_nothing(
    model: GroundedSam, config: Config, three: list[ToSegment]
) -> None:
    for name in ("box_threshold", "text_threshold"):
        rules = config.regions.model_copy(update={name: 1.0})
        strict = dataclasses.replace(
            model, detector=dataclasses.replace(model.detector, rules=rules)
        )
        for result in segment(strict, rules, three):
            assert isinstance(result, Reject) and result.reason == "no-regions"
            assert result.detail == "0 masks, none of a size that may be edited"


def test_boxes_are_those_of_the_library(model: GroundedSam) -> None:
    """For one phrase, with no threshold on words, the library's post-processing is the oracle."""
    from transformers import GroundingDinoProcessor

    image, detector = photo("chelsea"), model.detector
    rules = RegionRules(box_threshold=0.6, text_threshold=0, max_boxes=900)
    (hits,) = dataclasses.replace(detector, rules=rules).detect([image], [["cat"]])
    inputs = {**detector.images([Image.fromarray(image)], return_tensors="pt"),
              **detector.tokenizer(text(["cat"]), return_tensors="pt")}  # fmt: skip
    with torch.inference_mode():
        out = detector.model(**inputs)
    out.logits = out.logits.clone()
    out.logits[
        ..., [0, *range(4, 256)]
    ] = -torch.inf  # the library counts the dot and the ends, too
    oracle = GroundingDinoProcessor(detector.images, detector.tokenizer)
    (known,) = oracle.post_process_grounded_object_detection(
        out, inputs["input_ids"], threshold=0.6, text_threshold=0, target_sizes=[image.shape[:2]]
    )
    order = known["scores"].argsort(descending=True)
    assert len(hits) == len(order) > 2
    assert [hit.score for hit in hits] == pytest.approx(known["scores"][order].tolist(), abs=1e-5)
    boxes = known["boxes"][order].clip(0, 96).numpy()
    assert np.allclose([hit.box for hit in hits], boxes, atol=1e-2)


def test_a_box_goes_to_the_phrase_with_most_of_its_words() -> None:
    """Tokens: begin, red, car, dot, blue, car, dot, end."""
    where, size = [(1, 3), (4, 6)], (10, 20)
    scores = np.array([[0, .9, .8, 0, .1, .85, 0, 0], [0, .3, .5, 0, .45, .5, 0, 0],
                       [.9, .1, .2, .9, .2, .1, .9, .9], [0, np.nan, np.nan, 0, np.nan, .9, 0, 0]],
                      np.float32)  # fmt: skip
    boxes = np.array([[0.5, 0.5, 0.2, 0.4]] * 4, np.float32)
    boxes[1, 0] = 0.05
    hits = matched(scores, boxes, where, size, RegionRules())
    assert [(hit.phrase, round(hit.score, 3)) for hit in hits] == [(0, 0.9), (1, 0.5)]
    assert hits[0].box == pytest.approx((8, 3, 12, 7))
    assert hits[1].box == pytest.approx((0, 3, 3, 7)), "cut at the edge of the picture"


def test_boxes_without_an_extent_or_a_number_are_none() -> None:
    scores, where = np.full((3, 3), 0.9, np.float32), [(1, 2)]
    boxes = np.array([[0.5, 0.5, 0.01, 0.5], [2.0, 0.5, 0.5, 0.5], [np.nan] * 4], np.float32)
    assert matched(scores, boxes, where, (50, 50), RegionRules()) == []
    assert matched(scores, boxes, [(1, 1)], (50, 50), RegionRules()) == []


def test_only_the_best_boxes_are_masked(model: GroundedSam) -> None:
    rules = model.detector.rules.model_copy(update={"max_boxes": 3})
    few = dataclasses.replace(model.detector, rules=rules)
    (all_,), (best,) = (
        one.detect([photo("coffee")], [["cup", "sky"]]) for one in (model.detector, few)
    )
    assert best == all_[:3] and all(isinstance(hit, Hit) for hit in best)
    assert [hit.score for hit in all_] == sorted((hit.score for hit in all_), reverse=True)


def test_the_digest_is_that_of_the_files(model: GroundedSam, tiny_root: Path) -> None:
    from jobs.tiny.cache import VERSION

    assert model.model == digest(CARD.folders(tiny_root / VERSION / "grounded_sam"))


def test_missing_weights_are_named_with_the_way_out(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    config = configured(segmenter="grounded_sam", editing={"folder": str(tmp_path)})
    with pytest.raises(ConfigError, match="grounding-dino-base: download IDEA-Research/ground"):
        load(config)


def test_the_tokenizer_has_its_signs_where_the_network_looks_for_them(model: GroundedSam) -> None:
    from transformers.models.grounding_dino.modeling_grounding_dino import SPECIAL_TOKENS

    found = model.detector.tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"])
    assert found == SPECIAL_TOKENS
