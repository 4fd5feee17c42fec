"""What stands under a table: how the paper's words were read, why, and what else they could mean.

in    a protocol and its rows
out   plain sentences; and for a protocol without rows, one line with the key that makes it
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import protocols
from pipeline.config import Config, ProtocolName
from pipeline.documents import Metrics
from training import paper
from training.report_conditions import published, scored_on, trained_on
from training.report_readings import BROKEN, NOTES, TYPO

EMPTY = "no picture of val belongs to this set, so there is nothing to score"
#: So many sets are named under a table, of more only their number.
SHOWN = 6


def notes(config: Config, name: ProtocolName, rows: Sequence[Metrics]) -> tuple[str, ...]:
    """The sentences that apply to these rows, the readings first, then what is special in them."""
    found = list(NOTES[name])
    beside = [one for one in (published(config, row) for row in rows) if one]
    if any((one.protocol, one.detector) == ("table2", "fcn8s") for one in beside):
        found.append(BROKEN)
    if any((one.task, one.condition) == ("semantic", "resize-1024") for one in beside):
        found.append(TYPO)
    found += _unlike(config, [row for row in rows if published(config, row)])
    return (*dict.fromkeys(found), *_special(config, rows))


def _special(config: Config, rows: Sequence[Metrics]) -> list[str]:
    """What evaluations noted about their sets, each once, with the sets that it is about."""
    about: dict[str, list[Metrics]] = {}
    for row in rows:
        for text in (*((EMPTY,) if row.figures and not row.samples else ()), *row.notes):
            about.setdefault(text, []).append(row)
    return [f"{_whose(config, rows, these)}: {text.rstrip('.')}." for text, these in about.items()]


def _whose(config: Config, rows: Sequence[Metrics], these: Sequence[Metrics]) -> str:
    """Which rows a note is about: sets, with the detector where it is not about all of a set."""
    if len(these) == len(rows):
        return "All rows"
    names = list(dict.fromkeys(
        scored_on(config, row.protocol, row.condition)
        if all(one in these for one in rows if one.condition == row.condition)
        else f"{row.detector}, {row.task}, {trained_on(config, row.subset)}, "
             f"{scored_on(config, row.protocol, row.condition)}"
        for row in these
    ))  # fmt: skip
    return " / ".join(names) if len(names) <= SHOWN else f"{len(these)} of {len(rows)} rows"


def _unlike(config: Config, rows: Sequence[Metrics]) -> list[str]:
    """How our detectors differ from those whose figures stand beside them."""
    found = []
    for detector in dict.fromkeys(row.detector for row in rows):
        section, theirs = config.detectors.get(detector), paper.ENCODERS.get(detector)
        if section is None:
            continue
        unlike = []
        if section.encoder and theirs and section.encoder != theirs:
            unlike.append(f"its encoder is {section.encoder}, not {theirs}")
        if section.recipe != "paper":
            unlike.append(f"its recipe is {section.recipe!r}, not that of the paper's repository")
        if detector in ("fcn8s", "deeplabv3plus") and section.size != paper.SIZE:
            unlike.append(f"it sees {section.size} px, not {paper.SIZE}")
        if not section.pretrained:
            unlike.append("it starts from random weights, not from pretrained ones")
        if section.steps:
            unlike.append(f"it is trained for {section.steps:,} steps, as the config says")
        if unlike:
            found.append(f"{detector} is not built as the paper's: {'; '.join(unlike)}.")
    return found


def absent(config: Config, done: Sequence[ProtocolName]) -> list[str]:
    """A line for each protocol without rows, in the order of `PROTOCOLS`: which key makes it."""
    found = []
    for name, protocol in protocols.PROTOCOLS.items():
        if name in done:
            continue
        tasks = " or ".join(protocol.tasks)
        if name not in config.protocols:
            needs = [key for key, wanted in (("reals.negatives", protocol.reals),
                     ("holdouts", protocol.subsets == "holdouts"), ("replays", protocol.replays))
                     if wanted]  # fmt: skip
            also = f" (with {' and '.join(needs)} filled in)" if needs else ""
            why = f"was not run, the key protocols.{name} of the config makes it{also}"
        elif not any(set(protocol.tasks) & set(d.tasks) for d in config.detectors.values()):
            why = (f"was not run; protocols.{name} is in the config, and a detector with the task "
                   f"{tasks} under the key detectors.<name>.tasks makes it")  # fmt: skip
        else:
            why = (f"was not run yet; protocols.{name} is in the config, and the same command "
                   "again goes on with it")  # fmt: skip
        found.append(f"{protocol.title}: {why}.")
    return found


def lead(config: Config, train: int, val: int, tiny: bool) -> str:
    """What the paper's figures are of, and what ours are of."""
    painted = ", painted by untrained miniatures (tiny weights)" if tiny else ""
    ours = (
        f"Ours are of this run's {train:,} and {val:,}, {config.bases.resolution} px{painted}. "
        "Figures of different data may be looked at side by side, but are no reproduction of each "
        "other."
    )
    if config.imported:
        ours = (
            f"Ours are of {train:,} and {val:,} pictures of {config.imported.dataset} as it was "
            "published, which are the same only if all of it was imported and split alike."
        )
    return (
        f"The paper's figures are of its own data: {paper.TRAIN:,} edited pictures to train with "
        f"and {paper.VAL:,} to validate, {paper.RESOLUTION} px. {ours} Ranges are 95 % intervals "
        "from resampling the val pictures; what another training would change is not in them."
    )
