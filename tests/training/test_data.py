"""Classes, the order in which pictures are taken, who takes which, and what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.errors import ConfigError, InputError
from pipeline.manifest import Rejected
from pipeline.shards import RunFolder
from pipeline.writer import Writer
from training import data
from training.cache import Cache, Facts, open_cache
from training.recipes import Recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.training.conftest import Runs

FACTS = {"config": "", "code": "", "model": "", "seeds": ""}
FAMILIES = {"sdxl": 3, "flux": 7, "glide": 9}
CONFIG = Config(families=FAMILIES, holdouts=(("flux", "glide"),))


def recipe(**values: object) -> Recipe:
    known = {"source": "", "encoder": "", "learning_rate": 1.0, "steps": 1, "batch": 4, **values}
    return Recipe(**known)  # type: ignore[arg-type]


def cached(folder: Path, facts: list[Facts]) -> Cache:
    blank = np.zeros((len(facts), 4, 4), np.uint8)
    return Cache(folder, tuple(facts), np.stack([blank] * 3, axis=3), blank, {})


def edited(i: int, *families: str, source: str = "") -> Facts:
    return Facts(key=f"{i:08d}", part="edited", source_id=source or f"s{i}", base="real",
                 families=families)  # fmt: skip


def real(i: int, part: str) -> Facts:
    return Facts.model_validate(
        {"key": f"{i:08d}", "part": part, "source_id": f"s{i}", "base": "real"}
    )


def keys(cache: Cache, selection: data.Selection) -> list[int]:
    return [int(cache.facts[row].key) for row in selection.rows]


def test_classes_are_in_the_order_of_the_labels_not_of_the_file() -> None:
    config = Config(families={"flux": 9, "sdxl": 2, "glide": 250})
    assert data.class_labels(config, "semantic") == {
        "untouched": 0, "sdxl": 2, "flux": 9, "glide": 250,
    }  # fmt: skip
    mask = np.array([[0, 2], [9, 250]], np.uint8)
    assert data.classify(mask, config, "semantic").tolist() == [[0, 1], [2, 3]]
    assert data.classify(mask, config, "binary").tolist() == [[0, 1], [1, 1]]
    assert data.classify(mask, config, "binary", ["sdxl"]).tolist() == [[0, 255], [1, 1]]
    assert data.classify(mask, config, "semantic", ["sdxl"]).tolist() == [[0, 255], [2, 3]]
    for task in ("binary", "semantic"):
        with pytest.raises(ValueError, match="label 4 belongs to no family"):
            data.classify(np.array([[0, 4]], np.uint8), config, task)


def test_padding_is_ignored_whatever_the_task() -> None:
    for task in ("binary", "semantic", "image"):
        assert data.class_table(CONFIG, task)[255] == data.IGNORE == 255


def test_segmentation_learns_from_edited_and_unedited_pictures_the_image_task_from_negatives(
    tmp_path: Path,
) -> None:
    cache = cached(tmp_path, [edited(0, "sdxl"), edited(1, "flux", "sdxl"), real(2, "unedited"),
                              real(3, "negative")])  # fmt: skip
    binary = data.select(cache, CONFIG, "binary")
    assert keys(cache, binary) == [0, 1, 2] and binary.targets.tolist() == [1, 1, 0]
    image = data.select(cache, CONFIG, "image")
    assert keys(cache, image) == [0, 1, 3] and image.targets.tolist() == [1, 1, 0]
    assert data.select(cache, CONFIG, "semantic").table[[0, 3, 7, 9, 1]].tolist() == [
        0, 1, 2, 3, 255,
    ]  # fmt: skip


def test_a_hold_out_has_no_chain_with_a_held_out_family_and_all_unedited(tmp_path: Path) -> None:
    cache = cached(tmp_path, [
        edited(0, "sdxl"), edited(1, "sdxl", "flux"), edited(2, "glide"), edited(3, "sdxl", "sdxl"),
        real(4, "unedited"), real(5, "negative"),
    ])  # fmt: skip
    subset = "without-flux-glide"
    assert keys(cache, data.select(cache, CONFIG, "binary", subset)) == [0, 3, 4]
    assert keys(cache, data.select(cache, CONFIG, "image", subset)) == [0, 3, 5]
    with pytest.raises(InputError, match="no subset 'without-sdxl'"):
        data.select(cache, CONFIG, "binary", "without-sdxl")


def test_one_turn_and_several_are_as_many_samples(tmp_path: Path) -> None:
    facts = [edited(i, "sdxl") for i in range(3)] + [real(20, "unedited")]
    facts += [edited(i, "sdxl", "flux") for i in range(3, 12)]
    cache = cached(tmp_path, sorted(facts, key=lambda one: one.key))
    single, several = (
        data.select(cache, CONFIG, "binary", f"{n}-turn") for n in ("single", "multi")
    )
    assert keys(cache, single) == [0, 1, 2, 20] and len(several.rows) == 4
    assert set(keys(cache, several)) < {*range(3, 12), 20} and several.targets.sum() == 3
    other = Config(families=FAMILIES, seed=31)
    assert keys(cache, data.select(cache, other, "binary", "multi-turn")) != keys(cache, several)


def test_a_subset_with_nothing_in_it_is_said(tmp_path: Path) -> None:
    cache = cached(tmp_path, [edited(0, "flux"), real(1, "unedited")])
    with pytest.raises(InputError, match="no edited sample .* subset without-flux-glide"):
        data.select(cache, CONFIG, "binary", "without-flux-glide")
    with pytest.raises(InputError, match="is unedited.*reals.negatives"):
        data.select(cache, CONFIG, "image")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 99))
def test_no_source_picks_the_best_step_and_is_trained_on(
    sources: int, unedited: int, negatives: int, seed: int
) -> None:
    from pathlib import Path

    facts = [edited(i, "sdxl", source=f"photo-{i % sources}") for i in range(3 * sources)]
    first = len(facts)
    facts += [real(first + i, "unedited") for i in range(unedited)]
    facts += [real(first + unedited + i, "negative") for i in range(negatives)]
    cache, config = cached(Path(), facts), Config(families=FAMILIES, seed=seed)
    for task in ("binary", "image"):
        if task == "image" and not negatives:
            continue
        whole = data.select(cache, config, task)  # type: ignore[arg-type]
        rest, dev = data.dev(cache, whole, config)
        if dev is None:
            assert np.array_equal(rest.rows, whole.rows)
            assert sources < 20 or (task == "image" and negatives < 20)
            continue
        assert sorted([*rest.rows, *dev.rows]) == whole.rows.tolist()
        sides = [{facts[row].source_id for row in part.rows} for part in (rest, dev)]
        assert not sides[0] & sides[1]
        assert len({f for f in sides[1] if f.startswith("photo-")}) == sources // 20
        assert {0, 1} <= set(dev.targets.tolist()) or task == "binary"


@settings(deadline=None)
@given(
    st.integers(0, 2**62), st.integers(1, 40), st.integers(0, 50), st.integers(1, 5),
    st.sampled_from([1, 2, 3, 4, 64]),
)  # fmt: skip
def test_any_number_of_processes_cuts_the_same_batch(
    stream: int, samples: int, step: int, part: int, world: int
) -> None:
    """More processes than pictures, too: the stream never ends, and none waits for another."""
    batch = part * world
    picked, places = data.draw(stream, samples, step, batch)
    parts = [data.draw(stream, samples, step, batch, rank, world) for rank in range(world)]
    assert all(len(indices) == part for indices, _ in parts)
    assert np.array_equal(np.concatenate([indices for indices, _ in parts]), picked)
    assert np.array_equal(np.concatenate([own for _, own in parts]), places)
    assert places.tolist() == list(range(step * batch, (step + 1) * batch))


@settings(deadline=None)
@given(st.integers(0, 2**62), st.integers(1, 20), st.integers(1, 8))
def test_every_epoch_has_every_sample_once(stream: int, samples: int, batch: int) -> None:
    steps = -(-3 * samples // batch)
    taken = np.concatenate([data.draw(stream, samples, step, batch)[0] for step in range(steps)])
    for epoch in range(3):
        assert sorted(taken[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


def test_epochs_and_streams_differ() -> None:
    first, _ = data.draw(1, 200, 0, 200)
    assert first.tolist() != data.draw(1, 200, 1, 200)[0].tolist()
    assert first.tolist() != data.draw(2, 200, 0, 200)[0].tolist()


def test_what_cannot_be_shared_is_said() -> None:
    with pytest.raises(ConfigError, match="batch of 6 cannot be shared equally by 4 processes"):
        data.draw(1, 10, 0, 6, 0, 4)
    with pytest.raises(InputError, match="no picture to train on"):
        data.draw(1, 0, 0, 4)


@pytest.mark.parametrize("task", ["binary", "semantic", "image"])
def test_batches_are_those_of_their_steps_on_any_number_of_threads(runs: Runs, task: str) -> None:
    pytest.importorskip("torch")
    run, config = runs.make(samples=8, negatives=4)
    cache = open_cache(run, config, "train", 32)
    how = recipe(scale=(0.5, 2.0), crop=24, blur=0.5, jpeg=0.5)
    selection = data.select(cache, config, task)  # type: ignore[arg-type]
    whole = [data.take(cache, selection, how, 5, step) for step in range(2, 7)]
    for rank in (0, 1):
        mine = slice(2 * rank, 2 * rank + 2)
        found = list(data.batches(cache, selection, how, 5, 2, 7, rank, 2, threads=3))
        assert len(found) == 5
        for batch, expected in zip(found, whole, strict=True):
            assert np.array_equal(batch.images, expected.images[mine])
            assert np.array_equal(batch.labels, expected.labels[mine])
            assert batch.keys == expected.keys[mine]
    classes = {"binary": {0, 1, 255}, "semantic": {0, 1, 2, 255}, "image": {0, 1}}[task]
    assert {int(label) for batch in whole for label in np.unique(batch.labels)} == classes
    assert whole[0].images.shape == (4, 24, 24, 3)
    assert whole[0].labels.shape == ((4,) if task == "image" else (4, 24, 24))


def test_batches_that_nobody_takes_any_more_end_their_threads(runs: Runs) -> None:
    import threading

    pytest.importorskip("torch")
    run, config = runs.make(samples=8)
    cache = open_cache(run, config, "train", 32)
    found = data.batches(cache, data.select(cache, config, "binary"), recipe(), 1, 0, 10**6)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if one.name.startswith("batch")]


def test_declined_samples_are_left_out_and_an_empty_split_says_why(runs: Runs) -> None:
    run, config = RunFolder(runs.folder), Config(samples=4, families={"sdxl": 3, "flux": 7})
    pictures = {f"{i:08d}": runs.picture(i, 64) for i in range(2)}
    runs.write(run, "train", 0, pictures, declined=("00000001",))
    runs.write(run, "val", 0, {}, declined=())
    assert open_cache(run, config, "train", 32).keys == ("00000000",)
    with Writer(run, "score", 0) as writer:
        rejected = [Rejected(key=f"{i}", reason="low-score") for i in range(3)]
        writer.commit(["0", "1", "2"], rejected, {}, FACTS, {})
    with pytest.raises(InputError, match=r"val split has 0 of the run's 4 samples .*4 low-score"):
        open_cache(run, config, "val", 32)


def test_turns_that_failed_are_not_blamed_for_an_empty_split(runs: Runs) -> None:
    run, config = RunFolder(runs.folder), Config(samples=2, families={"sdxl": 3})
    keys = ("00000000", "00000001")
    for dataset, reason in (("edit-1-sdxl", "noop-edit"), ("score", "no-turns"),
                            ("reals", "missing-file")):  # fmt: skip
        with Writer(run, dataset, 0) as writer:
            writer.commit(keys, [Rejected(key=k, reason=reason) for k in keys], {}, FACTS, {})
    runs.write(run, "train", 0, {})
    with pytest.raises(InputError, match=r"assemble-train \(declined: 2 no-turns\)"):
        open_cache(run, config, "train", 32)


def test_a_split_is_counted_without_reading_a_picture(runs: Runs) -> None:
    run, config = runs.make(samples=8)
    for shard in range(config.shards):
        run.tar(run.manifest("assemble-val", shard)).unlink()
    rows, parents = data.accepted(run, config, "val")
    assert [row.key for row in rows] == ["00000003", "00000007"] and len(parents) == 2
