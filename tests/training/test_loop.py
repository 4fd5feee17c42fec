"""The loop itself, by a tiny network in this process: what it learns, keeps, writes down and
refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.config import Config
from pipeline.documents import Curve
from pipeline.errors import PermanentError
from pipeline.protocols import Trial
from pipeline.shards import RunFolder
from tests.training.test_scalars import read
from training import checkpoint, data, ddp, learner, train, validate
from training.cache import open_cache
from training.lesson import Lesson
from training.loop import Training
from training.recipes import Recipe

if TYPE_CHECKING:
    from tests.training.conftest import Runs

pytestmark = pytest.mark.usefixtures("tiny_network")
RECIPE = Recipe(source="a test", encoder="pixels", learning_rate=0.05, steps=12, batch=4, flip=True)


def lesson(run: RunFolder, config: Config, recipe: Recipe = RECIPE, task: Any = "binary") -> Lesson:
    cache = open_cache(run, config, "train", config.detectors["deeplabv3plus"].size)
    rest, dev = data.dev(cache, data.select(cache, config, task), config)
    trial = Trial("deeplabv3plus", task)
    return Lesson(config, trial, recipe, cache, rest, dev, None, run.path, f"train-{trial.name}")


def trained(of: Lesson) -> Training:
    with ddp.world("cpu") as world:
        training = Training(of, world)
        training.run()
    return training


@pytest.mark.parametrize("task", ["binary", "semantic"])
def test_it_learns_what_there_is_to_learn(task: str, runs: Runs) -> None:
    run, config = runs.make(samples=28, size=32)
    found = trained(lesson(run, config, replace(RECIPE, steps=40), task))
    assert found.step == 40 == len(found.loss)
    assert np.mean(found.loss[-5:]) < 0.7 * np.mean(found.loss[:5])


def test_of_labels_of_other_samples_it_learns_nothing(runs: Runs) -> None:
    """What is there to learn it finds in new pictures; where labels are those of other samples it
    does no better than one answer for every pixel."""
    run, config = runs.make(samples=28, size=32)
    of = lesson(run, config, replace(RECIPE, steps=60))
    other = replace(of, run=run.path / "other", cache=replace(
        of.cache, masks=np.roll(of.cache.masks, 1, axis=0)
    ))  # fmt: skip
    val = open_cache(run, config, "val", 32)
    chosen = data.select(val, config, "binary")
    edited = float((val.masks > 0).mean())  # the mIoU of calling every pixel edited

    def score(training: Training) -> float:
        mine = training.learner
        mine.bare.eval()
        return validate.score(
            lambda images: mine.forward(mine.bare, images), val, chosen, RECIPE, 2, training.world
        )

    assert score(trained(of)) > 0.7
    assert score(trained(other)) <= edited + 0.02 < 0.3


def test_the_best_step_by_the_dev_slice_is_kept_and_the_last_one_beside_it(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.2, 0.9, 0.9])
    monkeypatch.setattr(validate, "score", lambda *args: next(scores))
    run, config = runs.make(samples=28, size=32)
    found = trained(lesson(run, config, replace(RECIPE, validate_every=4)))
    assert found.checks == [(4, 0.2), (8, 0.9), (12, 0.9)]
    record = train.outcome(found)
    assert record.curve.best_step == 8 and record.curve.steps == 12
    assert record.last == checkpoint.weights(found.learner.bare.state_dict()) != record.model
    assert read(run.path / "scalars" / "train-deeplabv3plus-binary", "dev_score") == [
        (4, pytest.approx(0.2)), (8, pytest.approx(0.9)), (12, pytest.approx(0.9)),
    ]  # fmt: skip


def test_without_a_dev_slice_the_last_step_is_kept_alone(runs: Runs) -> None:
    run, config = runs.make(size=32)
    found = trained(lesson(run, config))
    record = train.outcome(found)
    assert (record.curve.best_step, record.curve.checks, record.last) == (12, (), None)
    assert record.model == checkpoint.weights(found.learner.bare.state_dict())


def test_averaged_weights_are_what_is_kept(runs: Runs) -> None:
    run, config = runs.make(size=32)
    found = trained(lesson(run, config, replace(RECIPE, ema=0.9)))
    assert found.learner.average is not None
    record = train.outcome(found)
    assert record.model == checkpoint.weights(found.learner.average)
    assert record.model != checkpoint.weights(found.learner.bare.state_dict())


def test_a_plateau_ends_before_its_last_step(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "score", lambda *args: 0.5)  # which is never less than before
    recipe = replace(RECIPE, schedule="plateau", floor=0.04, patience=1, validate_every=3)
    run, config = runs.make(samples=28, size=32)
    assert trained(lesson(run, config, recipe)).step == 12
    scores = iter([0.5, 0.4])
    monkeypatch.setattr(validate, "score", lambda *args: next(scores))
    other, _ = runs.make("other", samples=28, size=32)
    assert trained(lesson(other, config, recipe)).step == 6


def test_what_is_written_down(runs: Runs) -> None:
    run, config = runs.make(size=32)
    found = trained(lesson(run, config, replace(RECIPE, schedule="constant", clip=0.1)))
    folder = run.path / "scalars" / "train-deeplabv3plus-binary"
    told = {
        tag: read(folder, tag)
        for tag in ("loss", "learning_rate", "images_per_second", "data_wait")
    }
    assert {tag: [step for step, _ in values] for tag, values in told.items()} == {
        tag: list(range(1, 13)) for tag in told
    }
    assert [value for _, value in told["loss"]] == pytest.approx(found.loss)
    assert [value for _, value in told["learning_rate"]] == pytest.approx([0.05] * 12)
    assert all(0 <= value <= 1 for _, value in told["data_wait"])
    curve: Curve = train.outcome(found).curve
    assert curve.loss == tuple(found.loss) and 0 < curve.waited < curve.seconds
    assert curve.recipe["clip"] == 0.1 and curve.labels == {"untouched": 0, "edited": 1}


def test_a_loss_that_is_no_number_names_its_samples_and_the_last_good_checkpoint(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = runs.make(size=32, checkpoint_every=2)
    real = learner.Learner.loss

    def poisoned(self: learner.Learner, batch: data.Batch, step: int) -> Any:
        return real(self, batch, step) * (math.nan if step == 4 else 1.0)

    monkeypatch.setattr(learner.Learner, "loss", poisoned)
    of = lesson(run, config)
    rows = of.train.rows[data.draw(of.seed("stream"), len(of.train.rows), 4, 4)[0]]
    keys = ", ".join(of.cache.keys[row] for row in rows)
    with pytest.raises(
        PermanentError, match=f"loss is nan at step 5, on the samples {keys}: low"
    ) as e:
        trained(of)
    folder = run.path / "checkpoints" / of.stage
    assert checkpoint.latest(folder) in str(e.value)
    state = checkpoint.load(Path(checkpoint.latest(folder)))
    assert state["step"] == 4 and len(state["loss"]) == 4
    assert [step for step, _ in read(run.path / "scalars" / of.stage, "loss")] == [1, 2, 3, 4]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_power_cut_in_mid_epoch_costs_nothing(
    damaged: bool, runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six pictures in batches of four; for a checkpoint that was cut short the one before."""

    class PowerCut(Exception):
        pass

    def advance(training: Training, batches: Any) -> None:
        if training.step == 9:
            raise PowerCut
        real(training, batches)

    real = Training.advance
    recipe = replace(RECIPE, optimiser="adamw", ema=0.9)
    whole, config = runs.make("whole", size=32, checkpoint_every=4)
    killed, _ = runs.make("killed", size=32, checkpoint_every=4)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(Training, "advance", advance)
        trained(lesson(killed, config, recipe))
    newest = Path(checkpoint.latest(killed.path / "checkpoints" / "train-deeplabv3plus-binary"))
    if damaged:
        newest.write_bytes(newest.read_bytes()[:-100])
    capsys.readouterr()
    resumed, straight = (
        trained(lesson(killed, config, recipe)),
        trained(lesson(whole, config, recipe)),
    )
    said = capsys.readouterr().out
    assert f"goes on from step-00000{4 if damaged else 8}-" in said
    assert ("damaged or cut short" in said) is damaged
    assert [one.hex() for one in resumed.loss] == [one.hex() for one in straight.loss]
    assert train.outcome(resumed).model == train.outcome(straight).model


def test_weights_that_are_no_numbers_are_not_saved(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config = runs.make(size=32, checkpoint_every=2)
    with ddp.world("cpu") as world:
        training = Training(lesson(run, config), world)
        real = training.learner.optimiser.step

        def overflowing(*args: Any) -> None:
            real()
            if training.step == 3:
                next(training.learner.bare.parameters()).data[0] = math.inf

        monkeypatch.setattr(training.learner.optimiser, "step", overflowing)
        with pytest.raises(PermanentError, match="the weights are no numbers after step 4, on the"):
            training.run()
    (left,) = (run.path / "checkpoints" / training.lesson.stage).iterdir()
    assert left.name.startswith("step-000002-")
