"""Optimiser, schedule and averaged weights, against what the recipes' sources do."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training import tiny
from training import optimise
from training.recipes import Recipe

RECIPE = Recipe(source="a test", encoder="none", learning_rate=0.01, steps=100, batch=4, floor=1e-6)


def test_poly_is_that_of_the_repository_and_ends_at_the_floor() -> None:
    rates = [optimise.rate(RECIPE, step) for step in range(100)]
    assert rates[0] == 0.01 and rates[50] == pytest.approx(0.01 * 0.5**0.9)
    assert rates == sorted(rates, reverse=True)
    assert optimise.rate(RECIPE, 100) == 1e-6
    assert not optimise.ended(RECIPE, 99) and optimise.ended(RECIPE, 100)


def test_warming_up_lies_on_the_line_to_the_schedule() -> None:
    recipe = replace(RECIPE, warmup=10, warmup_from=1e-6, power=1.0)
    assert optimise.rate(recipe, 0) == 1e-6
    assert optimise.rate(recipe, 5) == pytest.approx(0.5 * 0.01 * 0.95 + 0.5e-6)
    assert optimise.rate(recipe, 10) == pytest.approx(0.01 * 0.9)
    assert optimise.rate(replace(RECIPE, schedule="constant"), 99) == 0.01


def test_a_plateau_falls_by_tens_and_ends_below_its_floor() -> None:
    recipe = replace(RECIPE, schedule="plateau", patience=2, learning_rate=1e-4, floor=1e-6)
    stuck = [0.5, 0.4, 0.4]  # the first counts, then two that brought nothing
    assert optimise.drops(2, stuck) == 1 and optimise.drops(2, stuck[:2]) == 0
    assert optimise.rate(recipe, 9, stuck) == pytest.approx(1e-5)
    assert not optimise.ended(recipe, 9, stuck * 2), "a rate at the floor is still used"
    assert optimise.ended(recipe, 9, stuck * 3)
    assert optimise.drops(2, [0.5, 0.4995, 0.499, 0.4985]) == 0, "a thousandth less is no loss"


class EarlyStopping:
    """As PeterWang512/CNNDetection counts, written down from its description."""

    def __init__(self, patience: int, delta: float) -> None:
        self.patience, self.delta, self.counter = patience, delta, 0
        self.best: float | None = None

    def stops(self, score: float) -> bool:
        if self.best is not None and score < self.best + self.delta:
            self.counter += 1
            return self.counter >= self.patience
        self.best, self.counter = score, 0
        return False


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 5))
def test_drops_are_those_of_early_stopping(thousandths: list[int], patience: int) -> None:
    scores, found = [one / 1000 for one in thousandths], 0
    stopping = EarlyStopping(patience, -0.001)
    for score in scores:
        if stopping.stops(score):
            stopping, found = EarlyStopping(patience, -0.002), found + 1
    assert optimise.drops(patience, scores) == found


def groups(recipe: Recipe, pretrained: bool = False) -> list[dict[str, Any]]:
    return optimise.build(tiny.build("tiny", 2, "", None), recipe, pretrained).param_groups


def test_one_group_is_enough_where_nothing_tells_parameters_apart() -> None:
    (only,) = groups(replace(RECIPE, weight_decay=1e-4, encoder_share=0.1))
    assert (only["share"], only["weight_decay"], only["momentum"]) == (1.0, 1e-4, 0.9)
    assert len(only["params"]) == 6


def test_a_pretrained_encoder_and_biases_have_rates_of_their_own() -> None:
    recipe = replace(RECIPE, encoder_share=0.1, bias_share=2.0, decay_all=False, weight_decay=5e-4)
    found = {
        (group["share"], group["weight_decay"]): len(group["params"])
        for group in groups(recipe, pretrained=True)
    }
    # kernels of both parts, the norm's weight, the encoder's two biases and the head's one
    assert found == {(0.1, 5e-4): 1, (0.1, 0.0): 1, (0.2, 0.0): 2, (1.0, 5e-4): 1, (2.0, 0.0): 1}


def test_what_is_frozen_is_not_touched() -> None:
    model = tiny.build("tiny", 2, "", None)
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    (only,) = optimise.build(model, RECIPE, False).param_groups
    assert len(only["params"]) == 2


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_optimisers_take_the_steps_of_torch(kind: str) -> None:
    import torch

    recipe = replace(RECIPE, optimiser=kind, weight_decay=0.1, momentum=0.8)  # type: ignore[arg-type]
    ours, theirs = (torch.nn.Sequential(OrderedDict(encoder=torch.nn.Linear(4, 3)))
                    for _ in range(2))  # fmt: skip
    theirs.load_state_dict(ours.state_dict())
    if kind == "sgd":
        plain: Any = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.8, weight_decay=0.1)
    else:
        made = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
        plain = made(theirs.parameters(), lr=0.01, betas=(0.8, 0.999), weight_decay=0.1)
    given = torch.rand(5, 4)
    for model, optimiser in ((ours, optimise.build(ours, recipe, False)), (theirs, plain)):
        for _ in range(3):
            optimiser.zero_grad()
            model(given).square().mean().backward()
            optimiser.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_average_forgets_the_beginning_and_then_moves_slowly() -> None:
    import torch

    state = {"weight": torch.ones(3), "seen": torch.tensor(7)}
    kept = {"weight": torch.zeros(3), "seen": torch.tensor(0)}
    optimise.average(kept, state, 0.99, 1)
    assert kept["weight"].tolist() == pytest.approx([1 - 2 / 11] * 3)
    assert kept["seen"] == 7
    late = {"weight": torch.zeros(3), "seen": torch.tensor(0)}
    optimise.average(late, state, 0.99, 10**6)
    assert late["weight"].tolist() == pytest.approx([0.01] * 3)
