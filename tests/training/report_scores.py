"""Hand-made scores of every protocol, as evaluations would commit them, for tests of the report."""

from __future__ import annotations

import hashlib

from pipeline import protocols
from pipeline.config import Config, ProtocolName
from pipeline.documents import Figure, Metrics, Task
from pipeline.protocols import Trial
from training import conditions

PIXELS = ("accuracy", "accuracy_foreground", "edited_pixel_fraction", "miou", "miou_per_image",
          "bf1_2px", "bf1_diagonal", "bf1_davis")  # fmt: skip
PICTURES = ("accuracy", "accuracy_balanced", "threshold_balanced", "ap", "ap_mean",
            "true_positive_rate", "false_positive_rate")  # fmt: skip


def value(*names: str) -> float:
    """Some score between 0.3 and 0.9, the same for the same names."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return round(0.3 + 0.6 * digest[0] / 255, 3)


def figure(*names: str) -> Figure:
    middle = value(*names)
    return Figure(value=middle, low=round(middle - 0.02, 3), high=round(middle + 0.01, 3))


def named(config: Config, protocol: ProtocolName, trial: Trial) -> tuple[str, ...]:
    """The conditions of training/sets.py, in their order."""
    mine = protocols.held_out(config, trial.subset)
    groups = ["-".join(group) for group in ((mine,) if mine else config.holdouts)]
    clean = ("clean",) if trial.subset == protocols.ALL else ()
    unseen = {letters: [f"{group}-{letter}" for group in groups for letter in letters]
              for letters in ("abc", "ac")}  # fmt: skip
    found: dict[ProtocolName, tuple[str, ...]] = {
        "table2": ("clean", *(("merged",) if trial.task == "semantic" else ())),
        "table3": (*conditions.TABLE3, *conditions.STORED),
        "severity": conditions.SEVERITY,
        "table4": ("sdxl-lora-stored", "sdxl-lora-replayed", "sdxl-lora-stored-all",
                   "sdxl-lora-replayed-all"),
        "table5": (*clean, *unseen["abc"]),
        "table6": ("clean", "ai-bases"),
        "table7": (*clean, *unseen["ac"]),
        "classifiers": tuple(f"clean-{how}" for how in ("top1", "share", "share-0")),
        "turns": ("single-turn", "multi-turn", "all"),
    }  # fmt: skip
    return found[protocol]


def rows(config: Config, protocol: ProtocolName, trial: Trial) -> tuple[Metrics, ...]:
    """One for each condition; the last set of table 5 has no picture, and says so itself."""
    return tuple(row(config, protocol, trial, name) for name in named(config, protocol, trial))


def row(config: Config, protocol: ProtocolName, trial: Trial, condition: str) -> Metrics:
    whole = trial.task == "image" or protocol == "classifiers"
    empty = protocol == "table5" and condition.endswith("-c")
    figures = {
        key: Figure(value=None) if empty else figure(protocol, trial.name, condition, key)
        for key in (PICTURES if whole else (*PIXELS, *(("iou",) if protocol == "table4" else ())))
    }
    task: Task = "binary" if condition == "merged" else "image" if whole else trial.task
    families = tuple(config.families) if task == "semantic" else ()
    return Metrics(
        protocol=protocol, condition=condition, detector=trial.detector, task=task,
        subset=trial.subset, split="val", size=224 if whole else config.detectors[
            trial.detector].size, samples=0 if empty else 12, figures=figures,
        iou={family: value(protocol, condition, family) for family in families},
        notes=("pixels of the other families are ignored",) if condition.endswith("-a") else (),
    )  # fmt: skip
