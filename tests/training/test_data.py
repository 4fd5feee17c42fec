"""Classes, resizing, what is left out, and the order in which pictures are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.errors import InputError, NotReady
from pipeline.manifest import Rejected
from pipeline.shards import RunFolder, Writer
from training import data

if TYPE_CHECKING:
    from tests.training.conftest import Runs

FACTS = {"config": "", "code": "", "model": "", "seeds": ""}


def test_a_split_is_loaded_in_key_order_at_the_networks_size(runs: Runs) -> None:
    run, config = runs.make(samples=8, size=64)
    split = data.load(run, config, "train", "binary", 32)
    assert split.keys == tuple(f"{i:08d}" for i in range(8) if i % 4 != 3)
    assert (split.images.shape, split.images.dtype) == ((6, 32, 32, 3), np.uint8)
    assert (split.labels.shape, split.labels.dtype) == ((6, 32, 32), np.uint8)
    assert set(split.parents) == {"assemble-train/00000", "assemble-train/00001"}
    assert split.parents["assemble-train/00001"] == run.manifest("assemble-train", 1).sha256


def test_without_a_change_of_size_pixels_are_untouched(runs: Runs) -> None:
    run, config = runs.make(size=64)
    split = data.load(run, config, "val", "semantic", 64)
    for i, key in enumerate(split.keys):
        image, mask = runs.picture(int(key), 64)
        assert np.array_equal(split.images[i], image)
        assert np.array_equal(split.labels[i], np.where(mask == 3, 1, np.where(mask == 7, 2, 0)))


def test_classes_are_in_the_order_of_the_labels_not_of_the_file() -> None:
    config = Config(families={"flux": 9, "sdxl": 2, "glide": 250})
    assert data.class_labels(config, "semantic") == {
        "untouched": 0, "sdxl": 2, "flux": 9, "glide": 250,
    }  # fmt: skip
    mask = np.array([[0, 2], [9, 250]], np.uint8)
    assert data.classify(mask, config, "semantic").tolist() == [[0, 1], [2, 3]]
    assert data.classify(mask, config, "binary").tolist() == [[0, 1], [1, 1]]


def test_a_label_without_a_family_is_said(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    stranger = config.model_copy(update={"families": {"sdxl": 3}})
    with pytest.raises(InputError, match=r"assemble-train, sample 00000001: label 7 belongs to no"):
        data.load(run, stranger, "train", "semantic", 64)


def test_declined_samples_are_left_out_and_an_empty_split_says_why(runs: Runs) -> None:
    run, config = RunFolder(runs.folder), Config(samples=4, families={"sdxl": 3, "flux": 7})
    pictures = {f"{i:08d}": runs.picture(i, 64) for i in range(2)}
    runs.write(run, "train", 0, pictures, declined=("00000001",))
    runs.write(run, "val", 0, pictures, declined=("00000000", "00000001"))
    assert data.load(run, config, "train", "binary", 64).keys == ("00000000",)
    with pytest.raises(InputError, match=r"val split has 0 of the run's 4 samples .*3 low-score"):
        data.load(run, config, "val", "binary", 64)


def test_turns_that_failed_are_not_blamed_for_an_empty_split(runs: Runs) -> None:
    run, config = RunFolder(runs.folder), Config(samples=2, families={"sdxl": 3})
    keys = ("00000000", "00000001")
    for dataset, reason in (("edit-1-sdxl", "noop-edit"), ("score", "no-turns")):
        with Writer(run, dataset, 0) as writer:
            writer.commit(keys, [Rejected(key=k, reason=reason) for k in keys], {}, FACTS, {})
    runs.write(run, "train", 0, {})
    with pytest.raises(InputError, match=r"assemble-train \(declined: 2 no-turns\)"):
        data.load(run, config, "train", "binary", 64)


def test_a_split_that_is_not_there_yet_can_be_waited_for(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    with pytest.raises(NotReady):
        data.load(run, config.model_copy(update={"samples": 16}), "train", "binary", 64)


@settings(deadline=None)
@given(
    st.integers(0, 2**62), st.integers(1, 40), st.integers(0, 50), st.integers(1, 5),
    st.sampled_from([1, 2, 3, 4]),
)  # fmt: skip
def test_any_number_of_processes_cuts_the_same_batch(
    stream: int, samples: int, step: int, part: int, world: int
) -> None:
    batch = part * world
    picked, mirror = data.draw(stream, samples, step, batch)
    parts = [data.draw(stream, samples, step, batch, rank, world) for rank in range(world)]
    assert all(len(indices) == part for indices, _ in parts)
    assert np.array_equal(np.concatenate([indices for indices, _ in parts]), picked)
    assert np.array_equal(np.concatenate([flips for _, flips in parts]), mirror)


@settings(deadline=None)
@given(st.integers(0, 2**62), st.integers(1, 20), st.integers(1, 8))
def test_every_epoch_has_every_sample_once(stream: int, samples: int, batch: int) -> None:
    steps = -(-3 * samples // batch)
    taken = np.concatenate([data.draw(stream, samples, step, batch)[0] for step in range(steps)])
    for epoch in range(3):
        assert sorted(taken[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


def test_epochs_and_streams_differ_and_half_the_pictures_are_mirrored() -> None:
    first, mirror = data.draw(1, 200, 0, 200)
    assert first.tolist() != data.draw(1, 200, 1, 200)[0].tolist()
    assert first.tolist() != data.draw(2, 200, 0, 200)[0].tolist()
    assert 60 < mirror.sum() < 140


def test_a_picture_and_its_mask_are_mirrored_together(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    split = data.load(run, config, "train", "binary", 64)
    images, labels = data.take(split, np.array([4, 1]), np.array([True, False]))
    assert np.array_equal(images[0], split.images[4][:, ::-1])
    assert np.array_equal(labels[0], split.labels[4][:, ::-1])
    assert np.array_equal(images[1], split.images[1])
    assert np.array_equal(labels[1], split.labels[1])


def test_network_input_is_normalised_as_imagenet_is() -> None:
    torch = pytest.importorskip("torch")
    images = np.zeros((1, 2, 3, 3), np.uint8)
    images[0, 1, 2] = (255, 0, 128)
    found = data.to_network(images, torch.device("cpu"))
    assert (found.shape, found.dtype) == ((1, 3, 2, 3), torch.float32)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (128 / 255 - 0.406) / 0.225]
    assert found[0, :, 1, 2].tolist() == pytest.approx(expected, rel=1e-5)
