"""The optimiser steps of one training run: SGD with momentum, polynomial decay, cross-entropy over
all pixels of the global batch.

Everything random is keyed by the step, so a checkpoint needs weights and momentum and no generator.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from pipeline import seeds
from pipeline.documents import Curve
from pipeline.errors import PermanentError
from pipeline.stage import Context
from training import checkpoint, data, ddp, detectors
from training.pace import Pace

if TYPE_CHECKING:
    import torch

POWER, LOWEST, MOMENTUM, ENCODER_SHARE = 0.9, 1e-6, 0.9, 0.1  # as VainF/DeepLabV3Plus-Pytorch


class Training:
    """The state of one training run: `step` steps are done, `loss[i]` is that of step i + 1."""

    def __init__(self, context: Context, split: data.Split, world: ddp.World) -> None:
        import torch

        self.context, self.split, self.world = context, split, world
        self.who = detector, task = (context.args.detector, context.args.task)
        self.section = section = context.config.detectors[detector]
        self.classes = len(data.class_labels(context.config, task))
        torch.manual_seed(self._seed("init"))
        bare = detectors.build(detector, self.classes, section.encoder, section.pretrained)
        inner = list(bare.get_submodule("encoder").parameters())
        known = {id(parameter) for parameter in inner}
        rest = [parameter for parameter in bare.parameters() if id(parameter) not in known]
        share = ENCODER_SHARE if section.pretrained else 1.0
        self.bare, self.model = bare, world.wrap(bare).train()
        self.optimiser = torch.optim.SGD(
            [{"params": inner, "share": share}, {"params": rest, "share": 1.0}],
            lr=section.learning_rate, momentum=MOMENTUM, weight_decay=section.weight_decay,
        )  # fmt: skip
        self.step, self.loss = 0, list[float]()
        self.pace = Pace(section.steps, section.batch, world.rank == 0)
        self._settle()
        self._resume()

    def _seed(self, *purpose: str | int) -> int:
        return seeds.seed(self.context.config.seed, *self.who, *purpose)

    def _settle(self) -> None:
        """DDP cuts its gradients into other buckets after the first backward pass, and the cut
        decides in which order three or more ranks are summed. Let that happen before any step
        counts: a resumed run would otherwise sum its first step as no undisturbed run does."""
        if self.world.size > 1:
            untouched = {name: value.clone() for name, value in self.bare.state_dict().items()}
            self._loss().backward()  # type: ignore[no-untyped-call]
            self.bare.load_state_dict(untouched)

    def _resume(self) -> None:
        self.folder = self.context.run.path / "checkpoints" / self.context.stage.name
        settings = self.context.config.digest(self.context.stage.trained)
        recipe = f"{settings} {self.world.size} {self.split.parents}"
        self.recipe = hashlib.sha256(recipe.encode()).hexdigest()
        first = self.world.rank == 0
        found = self.world.agree(checkpoint.newest(self.folder, self.recipe) if first else "")
        self.pace.begin(0, 0.0)
        if found:
            state = checkpoint.load(self.folder / found)
            self.bare.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.loss = state["step"], state["loss"]
            self.pace.begin(self.step, state["seconds"])
            self.pace.say(f"goes on from {found}")

    def advance(self) -> None:
        """One optimiser step; a checkpoint when one is due."""
        section = self.section
        rate = max(section.learning_rate * (1 - self.step / section.steps) ** POWER, LOWEST)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        loss = self._loss()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.loss.append(self.world.mean(loss))
        self.step += 1
        if not math.isfinite(self.loss[-1]):
            key = f"detectors.{self.who[0]}.learning_rate"
            raise PermanentError(
                f"the loss is {self.loss[-1]} at step {self.step}: lower {key} from "
                f"{section.learning_rate} and begin a new run"
            )
        self.pace.tell(self.step, self.loss[-1])
        due = self.step % section.checkpoint_every == 0 and self.step < section.steps
        if due and self.world.rank == 0:
            checkpoint.save(self.folder, self._state())

    def _loss(self) -> torch.Tensor:
        """Of this rank's part of the global batch, mean over pixels."""
        import torch
        from torch.nn.functional import cross_entropy

        rank, size, device = self.world.rank, self.world.size, self.world.device
        torch.manual_seed(self._seed("dropout", self.step, rank))
        batch, samples = self.section.batch, len(self.split.keys)
        drawn = data.draw(self._seed("stream"), samples, self.step, batch, rank, size)
        images, labels = data.take(self.split, *drawn)
        logits = self.model(data.to_network(images, device))
        return cross_entropy(logits, torch.from_numpy(labels).to(device).long())

    def _state(self) -> dict[str, object]:
        return {
            "recipe": self.recipe, "step": self.step, "loss": self.loss,
            "seconds": self.pace.elapsed(),
            "model": self.bare.state_dict(), "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip

    def curve(self) -> Curve:
        section = self.section
        return Curve(
            detector=self.who[0], task=self.who[1], encoder=section.encoder, classes=self.classes,
            size=section.size, resampler=data.RESAMPLER, steps=section.steps, batch=section.batch,
            processes=self.world.size, samples=len(self.split.keys), loss=tuple(self.loss),
            seconds=round(self.pace.elapsed(), 3),
        )  # fmt: skip
