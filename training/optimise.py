"""From a recipe to optimiser, learning rate and averaged weights.

The rate is a pure function of the step and of the dev scores until then, so that a resumed run goes
on with the same one; the optimiser has no schedule of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from training.recipes import Recipe

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

BETA2 = 0.999
#: How far a dev score may lie below the last good one before a validation counts as wasted, and
#: how far once the rate has been divided (PeterWang512/CNNDetection, train.py).
SLACK, SLACK_AFTER = 0.001, 0.002


def build(model: torch.nn.Module, recipe: Recipe, pretrained: bool) -> torch.optim.Optimizer:
    """The recipe's optimiser over all parameters of `model` that learn. A group has a `share`: its
    rate is that much of the scheduled one. Fused: one pass over the memory, on CPUs too."""
    import torch

    groups = list(_groups(model, recipe, pretrained))
    rate, momentum, betas = recipe.learning_rate, recipe.momentum, (recipe.momentum, BETA2)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=rate, betas=betas, fused=True)


def _groups(
    model: torch.nn.Module, recipe: Recipe, pretrained: bool
) -> Iterable[dict[str, object]]:
    """Parameters that share rate and decay, in the model's own order: the same on every rank, and
    in every run that loads a checkpoint."""
    encoder = {id(one) for one in model.get_submodule("encoder").parameters()}
    found: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, one in model.named_parameters():
        if not one.requires_grad:
            continue
        share = recipe.encoder_share if pretrained and id(one) in encoder else 1.0
        share *= recipe.bias_share if name.endswith("bias") else 1.0
        decays = recipe.decay_all or one.ndim > 1
        found.setdefault((share, recipe.weight_decay if decays else 0.0), []).append(one)
    for (share, decay), parameters in found.items():
        yield {"params": parameters, "share": share, "weight_decay": decay}


def rate(recipe: Recipe, step: int, scores: Sequence[float] = ()) -> float:
    """The learning rate of step `step` (from 0) after the dev `scores` so far.

    "poly": learning_rate * (1 - step / steps) ** power, not below `floor`; "plateau": a tenth for
    each drop, not below `floor` until it ends. Warming up, it lies on the line from `warmup_from`
    to the schedule's own rate (OpenMMLab's linear warm-up).
    """
    found = recipe.learning_rate
    if recipe.schedule == "poly":
        found = max(found * (1 - step / recipe.steps) ** recipe.power, recipe.floor)
    elif recipe.schedule == "plateau":
        found /= 10 ** drops(recipe.patience, scores)
    if step < recipe.warmup:
        done = step / recipe.warmup
        found = found * done + recipe.warmup_from * (1 - done)
    return found


def ended(recipe: Recipe, step: int, scores: Sequence[float] = ()) -> bool:
    """Whether training is over before step `step` (from 0): all steps are done, or a plateau's rate
    has fallen below the floor."""
    below = 1 - 1e-9  # 1e-4 / 100 is not below 1e-6
    plateau = recipe.schedule == "plateau" and step >= recipe.warmup
    return step >= recipe.steps or (plateau and rate(recipe, step, scores) < recipe.floor * below)


def drops(patience: int, scores: Iterable[float]) -> int:
    """How often the rate is divided after `scores`: whenever `patience` of them in a row lay more
    than a little below the last good one; then the count, and what is good, begins anew."""
    best: float | None = None
    wasted, found = 0, 0
    for score in scores:
        slack = SLACK_AFTER if found else SLACK
        if best is not None and score < best - slack:
            wasted += 1
        else:
            best, wasted = score, 0
        if wasted >= patience:
            best, wasted, found = None, 0, found + 1
    return found


def average(kept: State, state: State, decay: float, step: int) -> None:
    """Move `kept` towards `state` after `step` steps (from 1): weights and running statistics by
    1 - decay, counters all the way. Early on the decay is less, (1 + step) / (10 + step), so that
    the random beginning is forgotten."""
    import torch

    share = 1 - min(decay, (1 + step) / (10 + step))
    floats = [name for name, value in state.items() if value.is_floating_point()]
    with torch.no_grad():
        torch._foreach_lerp_([kept[name] for name in floats], [state[name] for name in floats],
                             share)  # fmt: skip
        for name in state.keys() - set(floats):
            kept[name].copy_(state[name])
