"""A network that learns, on this rank: its forward pass, loss and update by the recipe, its
averaged weights and its dev score. What is said of it, and kept, is in training/loop.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from training import data, ddp, detectors, optimise, validate
from training.augment import to_network
from training.lesson import Lesson

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Forward = Callable[[torch.Tensor], torch.Tensor]
    State = dict[str, torch.Tensor]


class Learner:
    """`bare` is the network, `model` the same as DDP wraps it, `average` its averaged weights if
    the recipe has any; equal on all ranks, but for running statistics, of which rank 0's count."""

    def __init__(self, lesson: Lesson, world: ddp.World) -> None:
        import torch

        self.lesson, self.world, self.recipe = lesson, world, lesson.recipe
        torch.manual_seed(lesson.seed("init"))
        self.bare = detectors.build(
            lesson.trial.detector, len(lesson.labels), self.recipe.encoder, lesson.weights
        )
        check_norm(self.bare, lesson, world)
        self.model = world.wrap(self.bare).train()
        self.optimiser = optimise.build(self.bare, self.recipe, lesson.weights is not None)
        self.average = copied(self.bare.state_dict()) if self.recipe.ema else None
        self._settle()

    @property
    def kept(self) -> State:
        """The weights that would be kept now."""
        return self.bare.state_dict() if self.average is None else self.average

    def update(self, batch: data.Batch, step: int, rate: float) -> torch.Tensor:
        """Take step `step` (from 0); returns its loss over all ranks, which a GPU is still at."""
        import torch

        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        loss = self.loss(batch, step)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.bare.parameters(), self.recipe.clip)
        self.optimiser.step()
        if self.average is not None and self.recipe.ema is not None:
            optimise.average(self.average, self.bare.state_dict(), self.recipe.ema, step + 1)
        return self.world.mean(loss)

    def loss(self, batch: data.Batch, step: int) -> torch.Tensor:
        """Of this rank's part of the global batch; the mean over ranks is the loss of the recipe:
        the sum over pixels for each picture, or the mean over all pixels that have a class."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        torch.manual_seed(self.lesson.seed("dropout", step, self.world.rank))
        labels = torch.from_numpy(batch.labels).to(self.world.device, non_blocking=True)
        logits = self.forward(self.model, batch.images).float()
        if self.lesson.trial.task == "image":
            return binary_cross_entropy_with_logits(logits[:, 0], labels.float())
        summed = cross_entropy(logits, labels.long(), ignore_index=data.IGNORE, reduction="sum")
        if self.recipe.loss_sum:
            return summed / len(labels)
        counted = torch.tensor(float((batch.labels != data.IGNORE).sum())).to(self.world.device)
        return summed / self.world.mean(counted).clamp(min=1.0)

    def forward(self, model: Forward, images: Bytes) -> torch.Tensor:
        """The logits of pictures (B, S, S, 3) uint8, in the config's precision."""
        import torch

        device = self.world.device
        pixels = to_network(images, device, self.recipe)
        if device.type == "cuda":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        half = self.lesson.section.dtype == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            return model(pixels)

    def score(self, dev: data.Selection) -> float:
        """The dev score of the weights that would be kept now, the same on every rank."""
        from torch.func import functional_call

        lesson, state = self.lesson, self.kept
        self.world.alike(state.values())  # running statistics are each rank's own until here
        self.bare.eval()
        found = validate.score(
            lambda images: self.forward(lambda x: functional_call(self.bare, state, x), images),
            lesson.cache, dev, self.recipe, len(lesson.labels), self.world,
        )  # fmt: skip
        self.bare.train()
        return found

    def state(self) -> dict[str, Any]:
        return {"model": self.bare.state_dict(), "average": self.average,
                "optimiser": self.optimiser.state_dict()}  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.bare.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in (self.average or {}).items():
            value.copy_(state["average"][name])

    def _settle(self) -> None:
        """DDP cuts its gradients into other buckets after the first backward pass, and the cut
        decides in which order three or more ranks are summed. Let that happen before any step
        counts: a resumed run would otherwise sum its first step as no undisturbed run does."""
        lesson, world = self.lesson, self.world
        if world.size > 1:
            untouched = copied(self.bare.state_dict())
            batch = data.take(lesson.cache, lesson.train, self.recipe, lesson.seed("stream"), 0,
                              world.rank, world.size)  # fmt: skip
            self.loss(batch, 0).backward()  # type: ignore[no-untyped-call]
            self.bare.load_state_dict(untouched)


def check_norm(model: torch.nn.Module, lesson: Lesson, world: ddp.World) -> None:
    """Raises a ConfigError if batch normalisation would see one picture: alone on CPUs, and over
    all processes on GPUs."""
    from torch.nn.modules.batchnorm import _BatchNorm

    batch, name = lesson.recipe.batch, lesson.trial.detector
    part = batch if world.device.type == "cuda" else batch // world.size
    if part < 2 and any(isinstance(layer, _BatchNorm) for layer in model.modules()):
        raise ConfigError(f"detectors.{name}.batch: {batch} is too few: normalisation needs two "
                          "pictures in each process")  # fmt: skip


def copied(state: State) -> State:
    return {name: value.detach().clone() for name, value in state.items()}
