"""How fast a GPU trains, and how long it waits: `python -m tests.benchmarks.training_gpu`.

DeepLabV3+ ResNet-50 at 512 px, batch 16, from a cache of our own pictures with the paper's random
scale, crop and flip: our loop in bfloat16 with channels last, against a plain loop in float32 that
prepares each batch, takes the step and reads the loss. The rounds alternate; the ratio is the
median of the rounds' ratios. The first losses of both must agree. Exits 1 below the limit; without
a GPU nothing is measured, and it says so.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.protocols import Trial
from tests.training.conftest import Runs
from training import augment, data, ddp, detectors, recipes
from training.cache import open_cache
from training.lesson import Lesson, threads
from training.loop import Training

if TYPE_CHECKING:
    import torch

DETECTOR, SIZE, BATCH, SAMPLES = "deeplabv3plus", 512, 16, 96
WARM, STEPS, ROUNDS = 10, 30, 5
#: Images a second of our loop for each of the plain one.
LIMIT = 4.0
#: How far the first losses may differ: bfloat16 has eight bits.
SAME = 0.03


def lesson(folder: Path) -> Lesson:
    run, config = Runs(folder).make(
        samples=SAMPLES, size=SIZE, encoder="resnet50", steps=10**6, batch=BATCH, device="cuda",
        dtype="bfloat16", checkpoint_every=10**6,
    )  # fmt: skip
    recipe = recipes.resolve(
        DETECTOR, config.detectors[DETECTOR], detectors.module(DETECTOR).RECIPES
    )
    cache = open_cache(run, config, "train", SIZE)
    chosen = data.select(cache, config, "binary")
    return Lesson(config, Trial(DETECTOR, "binary"), recipe, cache, chosen, None, None, run.path,
                  "train", threads=threads())  # fmt: skip


class Ours:
    """Our loop, a round at a time."""

    def __init__(self, of: Lesson, world: ddp.World) -> None:
        self.training = Training(replace(of, run=of.run / "ours"), world)
        self.training.pace.speaks = False
        self.steps = self.training.prepared()

    def __call__(self, steps: int) -> None:
        for _ in range(steps):
            self.training.advance(self.steps)
        self.training.read()


class Plain:
    """What one would write: float32, no layout, one thing after the other."""

    def __init__(self, of: Lesson, device: torch.device) -> None:
        import torch

        self.lesson, self.device, self.step = of, device, 0
        torch.manual_seed(of.seed("init"))
        self.model = detectors.build(DETECTOR, 2, of.recipe.encoder, None).to(device).train()
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=of.recipe.learning_rate, momentum=of.recipe.momentum,
            weight_decay=of.recipe.weight_decay,
        )  # fmt: skip
        self.loss = list[float]()

    def __call__(self, steps: int) -> None:
        import torch
        from torch.nn.functional import cross_entropy

        of = self.lesson
        for _ in range(steps):
            batch = data.take(of.cache, of.train, of.recipe, of.seed("stream"), self.step)
            torch.manual_seed(of.seed("dropout", self.step, 0))
            images = augment.to_network(batch.images, self.device, of.recipe)
            labels = torch.from_numpy(batch.labels).to(self.device).long()
            loss = cross_entropy(self.model(images), labels, ignore_index=data.IGNORE)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.loss.append(loss.item())
            self.step += 1


def seconds(loop: Callable[[int], None], steps: int) -> float:
    import torch

    torch.cuda.synchronize()
    begun = time.perf_counter()
    loop(steps)
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def idle(loop: Callable[[int], None], steps: int) -> float:
    """The share of the time in which no kernel runs, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        took = seconds(loop, steps)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events() or () if event.device_type.name == "CUDA"
    )  # fmt: skip
    busy, last = 0.0, 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, last))
        last = max(last, end)
    return max(0.0, 1 - busy / 1e6 / took)


def main() -> int:
    import torch

    if not torch.cuda.is_available():
        print("there is no GPU here: nothing was measured")
        return 0
    with tempfile.TemporaryDirectory() as folder, ddp.world("cuda") as world:
        torch.set_deterministic_debug_mode("default")  # of both loops alike
        of = lesson(Path(folder))
        ours, plain = Ours(of, world), Plain(of, world.device)
        for loop in (ours, plain):
            seconds(loop, WARM)
        apart = abs(ours.training.loss[0] / plain.loss[0] - 1)
        assert apart < SAME, f"the first losses differ by {apart:.3f}"
        waited, begun = ours.training.pace.waited, time.perf_counter()
        rounds = [(seconds(ours, STEPS), seconds(plain, STEPS)) for _ in range(ROUNDS)]
        taken = sum(one for one, _ in rounds)
        waited = (ours.training.pace.waited - waited) / taken
        ratio = statistics.median(other / one for one, other in rounds)
        fast, slow = (BATCH * STEPS / statistics.median(each) for each in zip(*rounds, strict=True))
        print(f"{torch.cuda.get_device_name()}, {SIZE} px, batch {BATCH}, {ROUNDS} x {STEPS} steps "
              f"in {time.perf_counter() - begun:.0f} s")  # fmt: skip
        print(f"ours, bfloat16 channels last   {fast:8.1f} images/s")
        print(f"plain, float32                 {slow:8.1f} images/s")
        print(f"ratio {ratio:.2f} (limit {LIMIT}), rounds "
              f"{', '.join(f'{other / one:.2f}' for one, other in rounds)}")  # fmt: skip
        print(f"no batch ready {waited:.1%} of the time, no kernel running {idle(ours, STEPS):.1%}")
    return 0 if ratio >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
