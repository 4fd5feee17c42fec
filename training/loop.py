"""The optimiser steps of one training run, from a recipe: forward, loss, backward, step, and now
and then a dev score and a checkpoint.

Everything random is keyed by the step, so a checkpoint needs no generator, no sampler and no
worker: weights, their average, the optimiser, the losses and the dev scores are the whole state.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from pipeline.errors import ConfigError, PermanentError
from training import checkpoint, data, ddp, detectors, optimise, validate
from training.augment import to_network
from training.lesson import Lesson
from training.pace import Pace
from training.scalars import Scalars

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Forward = Callable[[torch.Tensor], torch.Tensor]
    State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Best:
    step: int
    score: float
    state: State


class Training:
    """The state of one training run: `step` steps are done, `loss[i]` is that of step i + 1. All
    ranks have the same state, but for `best`, which rank 0 has."""

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
        self.average = _copy(self.bare.state_dict()) if self.recipe.ema else None
        self.step, self.loss, self.checks = 0, list[float](), list[tuple[int, float]]()
        self.best: Best | None = None
        self.pace = Pace(self.recipe.steps, self.recipe.batch, world.rank == 0)
        self.scalars = Scalars(None, 0)
        self._unread = deque[tuple[torch.Tensor, float]]()
        self._settle()
        self._resume()

    def run(self) -> None:
        """All steps that are left."""
        folder = self.lesson.run / "scalars" / self.lesson.stage
        self.scalars = Scalars(folder if self.world.rank == 0 else None, self.step)
        with self.scalars, self.pace, closing(self.prepared()) as batches:
            while not self.over:
                self.advance(batches)
            self.read()

    def prepared(self) -> Generator[data.Batch, None, None]:
        """This rank's batches from here on, made ahead by threads."""
        lesson, world = self.lesson, self.world
        found = data.batches(lesson.cache, lesson.train, self.recipe, lesson.seed("stream"),
                             self.step, self.recipe.steps, world.rank, world.size,
                             lesson.threads)  # fmt: skip
        return cast("Generator[data.Batch, None, None]", found)

    @property
    def kept(self) -> State:
        """The weights that would be kept now."""
        return self.bare.state_dict() if self.average is None else self.average

    @property
    def over(self) -> bool:
        return optimise.ended(self.recipe, self.step, [score for _, score in self.checks])

    def advance(self, batches: Iterator[data.Batch]) -> None:
        """One optimiser step; a dev score and a checkpoint when they are due."""
        import torch

        begun = time.perf_counter()
        batch = next(batches)
        self.pace.waited += time.perf_counter() - begun
        rate = optimise.rate(self.recipe, self.step, [score for _, score in self.checks])
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        loss = self._loss(batch, self.step)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.bare.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.step += 1
        if self.average is not None:
            state, decay = self.bare.state_dict(), self.recipe.ema or 0.0
            optimise.average(self.average, state, decay, self.step)
        self._unread.append((self.world.mean(loss), rate))
        self.read(ahead=1 if self.world.device.type == "cuda" else 0)
        if self.lesson.dev and (self.step % self.recipe.validate_every == 0 or self._last):
            self._validate(self.lesson.dev)
        if self.step % self.lesson.section.checkpoint_every == 0 and not self._last:
            self._save()

    @property
    def _last(self) -> bool:
        return self.step == self.recipe.steps

    def read(self, ahead: int = 0) -> None:
        """Write down the losses of all steps but the last `ahead`. A GPU's is read only once the
        next step is on its way, so that the GPU never stands still."""
        while len(self._unread) > ahead:
            (told, rate), step = self._unread.popleft(), len(self.loss) + 1
            loss = float(told)
            if not math.isfinite(loss):
                raise self._diverged(step, f"the loss is {loss} at")
            self.loss.append(loss)
            self.scalars.add(step, loss=loss, learning_rate=rate, **self.pace.tell(step, loss))

    def _diverged(self, step: int, what: str) -> PermanentError:
        return PermanentError(self.lesson.diverged(step, what, checkpoint.latest(self._folder)))

    def _loss(self, batch: data.Batch, step: int) -> torch.Tensor:
        """Of this rank's part of the global batch; the mean over ranks is the loss of the recipe:
        the sum over pixels for each picture, or the mean over all pixels that have a class."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        torch.manual_seed(self.lesson.seed("dropout", step, self.world.rank))
        labels = torch.from_numpy(batch.labels).to(self.world.device, non_blocking=True)
        logits = self._forward(self.model, batch.images).float()
        if self.lesson.trial.task == "image":
            return binary_cross_entropy_with_logits(logits[:, 0], labels.float())
        summed = cross_entropy(logits, labels.long(), ignore_index=data.IGNORE, reduction="sum")
        if self.recipe.loss_sum:
            return summed / len(labels)
        counted = torch.tensor(float((batch.labels != data.IGNORE).sum())).to(self.world.device)
        return summed / self.world.mean(counted).clamp(min=1.0)

    def _forward(self, model: Forward, images: Bytes) -> torch.Tensor:
        import torch

        device = self.world.device
        pixels = to_network(images, device, self.recipe)
        if device.type == "cuda":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        half = self.lesson.section.dtype == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            return model(pixels)

    def _validate(self, dev: data.Selection) -> None:
        """The dev score of the weights that would be kept now; the best ones are put aside."""
        from torch.func import functional_call

        self.read()
        state = self.kept
        self.world.alike(state.values())  # running statistics are each rank's own until here
        self.bare.eval()
        score = validate.score(
            lambda images: self._forward(lambda x: functional_call(self.bare, state, x), images),
            self.lesson.cache, dev, self.recipe, len(self.lesson.labels), self.world,
        )  # fmt: skip
        self.bare.train()
        self.checks.append((self.step, score))
        self.scalars.add(self.step, dev_score=score)
        self.pace.say(f"step {self.step}, dev score {score:.4f}")
        if self.world.rank == 0 and (self.best is None or score > self.best.score):
            self.best = Best(self.step, score, _copy(state))

    def _save(self) -> None:
        self.read()
        if not all(bool(one.isfinite().all()) for one in self.bare.state_dict().values()):
            raise self._diverged(self.step, "the weights are no numbers after")
        if self.world.rank == 0:
            checkpoint.save(self._folder, self._state())

    def _settle(self) -> None:
        """DDP cuts its gradients into other buckets after the first backward pass, and the cut
        decides in which order three or more ranks are summed. Let that happen before any step
        counts: a resumed run would otherwise sum its first step as no undisturbed run does."""
        lesson, world = self.lesson, self.world
        if world.size > 1:
            untouched = _copy(self.bare.state_dict())
            batch = data.take(lesson.cache, lesson.train, self.recipe, lesson.seed("stream"), 0,
                              world.rank, world.size)  # fmt: skip
            self._loss(batch, 0).backward()  # type: ignore[no-untyped-call]
            self.bare.load_state_dict(untouched)

    def _resume(self) -> None:
        lesson = self.lesson
        self._folder = lesson.run / "checkpoints" / lesson.stage
        known = [lesson.digest, asdict(self.recipe), self.world.size, lesson.cache.parents]
        self._facts = {
            "classes": str(len(lesson.labels)), "resampler": data.RESAMPLER,
            "settings": hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16],
        }  # fmt: skip
        first = self.world.rank == 0
        found = self.world.agree(checkpoint.newest(self._folder, self._facts) if first else "")
        self.pace.begin(0, 0.0, 0.0)
        if found:
            self._restore(checkpoint.load(self._folder / found))
            self.pace.say(f"goes on from {found}")

    def _state(self) -> dict[str, Any]:
        best = self.best and {"step": self.best.step, "score": self.best.score,
                              "state": self.best.state}  # fmt: skip
        return {
            "facts": self._facts, "step": self.step, "loss": self.loss, "checks": self.checks,
            "seconds": self.pace.elapsed(), "waited": self.pace.waited, "best": best,
            "model": self.bare.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip

    def _restore(self, state: dict[str, Any]) -> None:
        self.bare.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in (state["average"] or {}).items():
            assert self.average is not None
            self.average[name].copy_(value)
        self.step, self.loss, self.checks = state["step"], state["loss"], state["checks"]
        if state["best"] and self.world.rank == 0:
            self.best = Best(**state["best"])
        self.pace.begin(self.step, state["seconds"], state["waited"])


def check_norm(model: torch.nn.Module, lesson: Lesson, world: ddp.World) -> None:
    """Raises a ConfigError if batch normalisation would see one picture: alone on CPUs, and over
    all processes on GPUs."""
    from torch.nn.modules.batchnorm import _BatchNorm

    batch, name = lesson.recipe.batch, lesson.trial.detector
    part = batch if world.device.type == "cuda" else batch // world.size
    if part < 2 and any(isinstance(layer, _BatchNorm) for layer in model.modules()):
        raise ConfigError(f"detectors.{name}.batch: {batch} is too few: normalisation needs two "
                          "pictures in each process")  # fmt: skip


def _copy(state: State) -> State:
    return {name: value.detach().clone() for name, value in state.items()}
