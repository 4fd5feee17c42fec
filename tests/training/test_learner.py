"""Losses, dev scores and what a network needs, by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.errors import ConfigError
from tests.training import tiny
from tests.training.test_loop import RECIPE, lesson, trained
from training import data, ddp, learner, validate
from training.loop import Training

if TYPE_CHECKING:
    from tests.training.conftest import Runs

pytestmark = pytest.mark.usefixtures("tiny_network")


def test_whole_pictures_are_judged_by_one_logit(runs: Runs) -> None:
    import torch

    run, config = runs.make(size=32, negatives=8)
    of = lesson(run, config, replace(RECIPE, encoder="image"), "image")
    with ddp.world("cpu") as world:
        training = Training(of, world)
        batch = data.take(of.cache, of.train, of.recipe, of.seed("stream"), 0)
        assert set(batch.labels.tolist()) == {0, 1}
        with torch.no_grad():
            loss = float(training.learner.loss(batch, 0))
            logits = training.learner.forward(training.learner.bare, batch.images)[:, 0]
    likely = torch.where(torch.from_numpy(batch.labels) > 0, logits, -logits).sigmoid()
    assert loss == pytest.approx(float(-likely.log().mean()), rel=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw"])
def test_mean_and_sum_are_losses_of_the_same_pixels(optimiser: str, runs: Runs) -> None:
    run, config = runs.make(size=32)
    recipe = replace(RECIPE, steps=1, optimiser=optimiser, flip=False)  # type: ignore[arg-type]
    mean = trained(lesson(run, config, recipe)).loss[0]
    summed = trained(lesson(run, config, replace(recipe, loss_sum=True))).loss[0]
    assert summed == pytest.approx(mean * 32 * 32, rel=1e-5)


def test_pixels_without_a_class_do_not_count(runs: Runs) -> None:
    """A picture that is scaled down lies within pixels that have no class."""
    run, config = runs.make(size=32)
    whole = lesson(run, config, replace(RECIPE, steps=1, scale=(0.5, 0.5)))
    with ddp.world("cpu") as world:
        training = Training(whole, world)
        batch = data.take(whole.cache, whole.train, whole.recipe, whole.seed("stream"), 0)
        assert (batch.labels == data.IGNORE).mean() == 0.75
        loss = training.learner.loss(batch, 0).item()
        blank = replace(batch, labels=np.full_like(batch.labels, data.IGNORE))
        assert math.isfinite(loss) and training.learner.loss(blank, 0).item() == 0.0


def test_normalisation_needs_two_pictures_and_other_networks_do_not(runs: Runs) -> None:
    import torch

    run, config = runs.make(size=32)
    of = lesson(run, config, replace(RECIPE, batch=4))
    two, four = (ddp.World(0, size, torch.device("cpu")) for size in (2, 4))
    with pytest.raises(ConfigError, match="batch: 4 is too few: normalisation needs two pictures"):
        learner.check_norm(tiny.build("tiny", 2, "", None), of, four)
    learner.check_norm(tiny.build("tiny", 2, "", None), of, two)
    learner.check_norm(torch.nn.Conv2d(3, 2, 1), of, four)
    learner.check_norm(
        tiny.build("tiny", 2, "", None), of, ddp.World(0, 4, torch.device("cuda", 0))
    )


@pytest.mark.parametrize("task", ["binary", "image"])
def test_each_picture_of_the_dev_slice_counts_once_whatever_the_ranks(
    task: Any, runs: Runs
) -> None:
    import torch

    run, config = runs.make(samples=28, size=32, negatives=24)
    recipe = replace(RECIPE, batch=6, encoder="image" if task == "image" else "pixels")
    of = lesson(run, config, recipe, task)
    everything = data.select(of.cache, config, task)
    model = tiny.build("tiny", 2, recipe.encoder, None).eval()

    class Part(ddp.World):
        """One rank of several that keeps its own counts."""

        def total(self, counts: Any) -> Any:
            parts.append(counts)
            return counts

    def forward(images: Any) -> Any:
        return model(data.augment.to_network(images, torch.device("cpu"), recipe))

    whole: list[Any] = []
    for size in (1, 2, 3, 5):
        parts: list[Any] = []
        for rank in range(size):
            world = Part(rank, size, torch.device("cpu"))
            validate.score(forward, of.cache, everything, recipe, 2, world)
        whole.append(sum(parts))
    assert all((one == whole[0]).all() for one in whole)
    pixels = 1 if task == "image" else 32 * 32
    assert whole[0].sum() == len(everything.rows) * pixels


def test_dev_scores_by_hand() -> None:
    assert validate.of(np.array([[3, 1], [2, 2]]), "image") == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert validate.of(np.array([[5, 1], [2, 3]]), "binary") == pytest.approx(3 / 6)
    assert validate.of(np.array([[5, 0], [0, 0]]), "binary") == 0.0
