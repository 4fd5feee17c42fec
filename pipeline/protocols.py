"""The paper's tables, as declarations: what is trained, on what, and scored on what.

A protocol becomes stages of the DAG (`trials` to train, `evaluations` to score); its sets of
pictures are in training/sets.py, what is done to them in training/conditions.py, the numbers to
compare with in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.config import Config, ProtocolName
from pipeline.documents import Task
from pipeline.errors import ConfigError

ALL, SINGLE, MULTI = "all", "single-turn", "multi-turn"


@dataclass(frozen=True, slots=True)
class Protocol:
    """`tasks` are those it scores, `subsets` what its detectors were trained on: all samples, all
    and each hold-out, or single and multi-turn samples at a matched number. `reals`, `replays` and
    `groups`: whether it needs pictures that nobody edited, turns painted again by another editor,
    or at least one hold-out."""

    title: str
    tasks: tuple[Task, ...]
    subsets: Literal["all", "holdouts", "turns"] = "all"
    reals: bool = False
    replays: bool = False
    groups: bool = False


PROTOCOLS: dict[ProtocolName, Protocol] = {
    "table2": Protocol("Localisation and attribution (table 2)", ("binary", "semantic")),
    "table3": Protocol("Robustness to JPEG and resizing (table 3)", ("binary", "semantic")),
    "severity": Protocol("Severity curves beyond the paper", ("binary", "semantic")),
    "table4": Protocol("A fine-tuned editor (table 4)", ("semantic",), replays=True),
    "table5": Protocol("Unseen editors, localisation (table 5)", ("binary",), "holdouts",
                       groups=True),
    "table6": Protocol("Whole pictures (table 6)", ("image",), reals=True),
    "table7": Protocol("Unseen editors, whole pictures (table 7)", ("image",), "holdouts",
                       reals=True, groups=True),
    "classifiers": Protocol("Segmentation as a classifier of pictures (second version of the "
                            "paper)", ("binary",), "holdouts", reals=True),
    "turns": Protocol("One turn against several, at one number of pictures",
                      ("binary", "semantic"), "turns"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One detector trained for one task on one subset of the train split."""

    detector: str
    task: Task
    subset: str = ALL

    @property
    def name(self) -> str:
        """As its stages are called: a DNS label."""
        parts = [self.detector.replace("_", "-"), self.task]
        return "-".join(parts if self.subset == ALL else [*parts, self.subset])

    @property
    def args(self) -> tuple[str, ...]:
        """Arguments of its stages."""
        who = ("--detector", self.detector, "--task", self.task)
        return who if self.subset == ALL else (*who, "--subset", self.subset)


def without(group: tuple[str, ...]) -> str:
    """The name of the subset that has no sample by any of these families."""
    return "without-" + "-".join(family.replace("_", "-") for family in group)


def held_out(config: Config, subset: str) -> tuple[str, ...]:
    """The families that a subset does without; () for every other subset."""
    for group in config.holdouts:
        if without(group) == subset:
            return group
    return ()


def subsets(config: Config, protocol: Protocol) -> tuple[str, ...]:
    """What the detectors of a protocol are trained on, the base first."""
    if protocol.subsets == "turns":
        return SINGLE, MULTI
    groups = config.holdouts if protocol.subsets == "holdouts" else ()
    return (ALL, *(without(group) for group in groups))


def evaluations(config: Config) -> dict[ProtocolName, tuple[Trial, ...]]:
    """What each protocol of the config scores, in the order of `PROTOCOLS`. A ConfigError names a
    protocol that lacks what it needs."""
    found: dict[ProtocolName, tuple[Trial, ...]] = {}
    for name, protocol in PROTOCOLS.items():
        if name in config.protocols:
            trials = tuple(
                Trial(detector, task, subset)
                for detector in config.protocols[name] or config.detectors
                for task in _tasks(config, name, protocol, detector)
                for subset in subsets(config, protocol)
            )
            if trials:
                _check(config, name, protocol)
                found[name] = trials
    return found


def trials(config: Config) -> tuple[Trial, ...]:
    """All that is trained, each once, in the order in which the protocols ask for it."""
    return tuple(dict.fromkeys(trial for found in evaluations(config).values() for trial in found))


def _tasks(
    config: Config, name: ProtocolName, protocol: Protocol, detector: str
) -> tuple[Task, ...]:
    mine = tuple(task for task in protocol.tasks if task in config.detectors[detector].tasks)
    if not mine and config.protocols[name]:
        raise ConfigError(f"protocols.{name}: {detector} is not trained for "
                          f"{' or '.join(protocol.tasks)}: add it to "
                          f"detectors.{detector}.tasks")  # fmt: skip
    return mine


def _check(config: Config, name: ProtocolName, protocol: Protocol) -> None:
    lacks = {
        "reals.negatives": protocol.reals and not config.reals.negatives,
        "holdouts": protocol.groups and not config.holdouts,
        "replays": protocol.replays and not config.replays,
    }
    for key in (key for key, missing in lacks.items() if missing):
        raise ConfigError(f"protocols.{name} needs {key}, which the config leaves empty: fill it "
                          f"in, or take {name} out of protocols")  # fmt: skip
