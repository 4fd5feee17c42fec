"""How much faster FCN-8s is when its padding is not computed: `python -m tests.benchmarks.fcn8s`.

One step of training (forward, summed cross-entropy, backward, SGD with momentum) of one network, in
its padded form and by the ring (training/detectors/_fcn.py), in turn. Before the clock runs: both
give the same outputs at that size, and, in double precision at a smaller size, the same gradients.
(In single precision the padded form's own gradients are a thousandth off, since roundings move
ReLUs and poolings from one side to the other; how far both are apart is printed.)

CPU seconds of one thread are the number: neighbours do not count in them, nor does waiting for
other threads. Wall seconds stand beside them. Exits 1 below the goal.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch.nn.functional import cross_entropy

from training.detectors._fcn import Fcn8s, Vgg

CLASSES, BATCH, THREADS, SEED = 9, 1, 1, 7
#: Of outputs and of every parameter's gradient, relative to the largest of them.
EQUAL, GOAL, SMALL = 1e-4, 1.3, 96


def network() -> Fcn8s:
    """Random weights, and scores and biases that are not zero, so that all of it counts."""
    torch.manual_seed(SEED)
    model = Fcn8s(Vgg((64, 128, 256, 512, 512), 4096), CLASSES, 0.0001, 0.01)
    for name, parameter in model.named_parameters():
        if name.startswith("score") or name.endswith("bias"):
            torch.nn.init.normal_(parameter, 0.0, 0.05)
    return model.eval()  # dropout would draw anew each time


def passes(
    model: Fcn8s, ring: bool, images: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Logits and gradients, which are left in place."""
    model.ring = ring
    model.zero_grad()
    logits = model(images)
    cross_entropy(logits, labels, reduction="sum").backward()  # type: ignore[no-untyped-call]
    return logits.detach(), [p.grad for p in model.parameters() if p.grad is not None]


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def both(model: Fcn8s, size: int, dtype: torch.dtype) -> tuple[float, float]:
    """How far apart outputs and gradients of the two forms are, relative to the largest."""
    images, labels = batch(size)
    logits, gradients = passes(model, True, images.to(dtype), labels)
    others, known = passes(model, False, images.to(dtype), labels)
    return apart(logits, others), max(apart(a, b) for a, b in zip(gradients, known, strict=True))


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(SEED)
    images = torch.randn(BATCH, 3, size, size, generator=draw)
    return images, torch.randint(0, CLASSES, (BATCH, size, size), generator=draw)


def main(argv: list[str]) -> int:
    size, rounds = int(argv[0]) if argv else 512, int(argv[1]) if argv[1:] else 4
    torch.set_num_threads(THREADS)
    model = network()
    exact = max(both(model.double(), SMALL, torch.float64))
    outputs, gradients = both(model.float(), size, torch.float32)
    print(f"double, {SMALL} px: outputs and gradients {exact:.1e} apart; single, {size} px: "
          f"outputs {outputs:.1e}, gradients {gradients:.1e} (relative)", flush=True)  # fmt: skip

    images, labels = batch(size)
    optimiser = torch.optim.SGD((p for p in model.parameters() if p.requires_grad),
                                lr=1e-10, momentum=0.99, weight_decay=5e-4)  # fmt: skip
    optimiser.step()  # the first one makes the momentum
    ratios: dict[str, list[float]] = {"cpu": [], "wall": []}
    for turn in range(rounds):
        took = {}
        for ring in (False, True) if turn % 2 else (True, False):
            begun = time.process_time(), time.perf_counter()
            passes(model, ring, images, labels)
            optimiser.step()
            took[ring] = time.process_time() - begun[0], time.perf_counter() - begun[1]
        for i, kind in enumerate(ratios):
            ratios[kind].append(took[False][i] / took[True][i])
        print("padded {:.2f} s CPU, {:.2f} s wall; ".format(*took[False])
              + "ring {:.2f} s CPU, {:.2f} s wall".format(*took[True]), flush=True)  # fmt: skip
    for kind, all_of in ratios.items():
        print(f"{kind}: {statistics.median(all_of):.2f} times as fast "
              f"({min(all_of):.2f} to {max(all_of):.2f}; goal {GOAL})")  # fmt: skip
    return 0 if max(exact, outputs) <= EQUAL and statistics.median(ratios["cpu"]) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
