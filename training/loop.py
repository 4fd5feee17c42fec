"""The optimiser steps of one training run, and what is done between them: losses written down, dev
scores, checkpoints.

Everything random is keyed by the step, so a checkpoint needs no generator, no sampler and no
worker: weights, their average, the optimiser, the losses and the dev scores are the whole state.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import PermanentError
from training import checkpoint, data, ddp, optimise
from training.learner import Learner, copied
from training.lesson import Lesson
from training.meter import TrainingMeter
from training.pace import Pace
from training.scalars import Scalars

if TYPE_CHECKING:
    import torch

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
        self.lesson, self.world, self.recipe = lesson, world, lesson.recipe
        self.learner = Learner(lesson, world)
        self.step, self.loss, self.checks = 0, list[float](), list[tuple[int, float]]()
        self.best: Best | None = None
        self.pace = Pace(self.recipe.steps, self.recipe.batch, world.rank == 0)
        self.meter = TrainingMeter(lesson, world.rank == 0)
        self.scalars = Scalars(None, 0)
        self._unread: deque[tuple[torch.Tensor, float]] = deque()
        self._folder = lesson.run / "checkpoints" / lesson.stage
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
        return data.batches(lesson.cache, lesson.train, self.recipe, lesson.seed("stream"),
                            self.step, self.recipe.steps, world.rank, world.size,
                            lesson.threads)  # fmt: skip

    @property
    def over(self) -> bool:
        return optimise.ended(self.recipe, self.step, [score for _, score in self.checks])

    def advance(self, batches: Iterator[data.Batch]) -> None:
        """One optimiser step; a dev score and a checkpoint when they are due."""
        begun = time.perf_counter()
        batch = next(batches)
        self.pace.waited += time.perf_counter() - begun
        rate = optimise.rate(self.recipe, self.step, [score for _, score in self.checks])
        self._unread.append((self.learner.update(batch, self.step, rate), rate))
        self.step += 1
        self.read(ahead=1 if self.world.device.type == "cuda" else 0)
        last = self.step == self.recipe.steps
        if self.lesson.dev and (last or self.step % self.recipe.validate_every == 0):
            self._validate(self.lesson.dev)
        if not last and self.step % self.lesson.section.checkpoint_every == 0:
            self._save()

    def read(self, ahead: int = 0) -> None:
        """Write down the losses of all steps but the last `ahead`. A GPU's is read only once the
        next step is on its way, so that the GPU never stands still."""
        while len(self._unread) > ahead:
            (told, rate), step = self._unread.popleft(), len(self.loss) + 1
            loss = float(told)
            self.meter.step(step, loss, rate, self.pace.elapsed(), self.pace.waited)
            if not math.isfinite(loss):
                raise self._diverged(step, f"the loss is {loss} at")
            self.loss.append(loss)
            self.scalars.add(step, loss=loss, learning_rate=rate, **self.pace.tell(step, loss))

    def _diverged(self, step: int, what: str) -> PermanentError:
        return PermanentError(self.lesson.diverged(step, what, checkpoint.latest(self._folder)))

    def _validate(self, dev: data.Selection) -> None:
        """Write down the dev score; the best weights are put aside."""
        self.read()
        score = self.learner.score(dev)
        self.checks.append((self.step, score))
        self.scalars.add(self.step, dev_score=score)
        self.meter.dev_score(score)
        self.pace.say(f"step {self.step}, dev score {score:.4f}")
        if self.world.rank == 0 and (self.best is None or score > self.best.score):
            self.best = Best(self.step, score, copied(self.learner.kept))

    def _save(self) -> None:
        self.read()
        if not all(bool(one.isfinite().all()) for one in self.learner.bare.state_dict().values()):
            raise self._diverged(self.step, "the weights are no numbers after")
        if self.world.rank == 0:
            checkpoint.save(self._folder, self._state())
        self.world.meet()

    def _state(self) -> dict[str, Any]:
        best = self.best and {"step": self.best.step, "score": self.best.score,
                              "state": self.best.state}  # fmt: skip
        return {
            "facts": self._facts, "step": self.step, "loss": self.loss, "checks": self.checks,
            "seconds": self.pace.elapsed(), "waited": self.pace.waited, "best": best,
            **self.learner.state(),
        }  # fmt: skip

    def _resume(self) -> None:
        """Go on from the newest checkpoint of the same pictures, settings and processes."""
        lesson = self.lesson
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

    def _restore(self, state: dict[str, Any]) -> None:
        self.learner.restore(state)
        self.step, self.loss, self.checks = state["step"], state["loss"], state["checks"]
        if state["best"] and self.world.rank == 0:
            self.best = Best(**state["best"])
        self.pace.begin(self.step, state["seconds"], state["waited"])
        self.meter.resumed(self.step, state["seconds"], state["waited"])
