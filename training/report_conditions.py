"""What a detector was trained on and scored on, in words; and the paper's row for it, if any.

in    the subsets of pipeline/protocols.py, the names of training/sets.py and training/conditions.py
out   texts, and rows of training/paper.py
"""

from __future__ import annotations

import re

from pipeline import protocols
from pipeline.config import Config
from pipeline.documents import Metrics
from training import paper
from training.paper import Published

CLEAN, STORED = "clean", "-stored"
#: What is done to a picture, by the first part of a condition's name (training/conditions.py):
#: the name, and what its amount is.
KINDS = {
    "jpeg": ("JPEG", "quality"), "webp": ("WebP", "quality"),
    "blur": ("Gaussian blur", "kernel, px"), "noise": ("Gaussian noise", "deviation, of 255"),
    "rescale": ("rescaled and back", "factor"), "crop": ("centre crop", "share of the side"),
    "resave": ("JPEG again and again", "times"), "resize": ("input size", "px"),
}  # fmt: skip
UNITS = {"resize": " px", "blur": " px", "resave": " times"}
SETS = {
    CLEAN: "val", "all": "val", "merged": "val, families merged into “edited”",
    "no-crop": "val, whole pictures at the size of the crop",
    "ai-bases": "AI-made bases, unedited", "single-turn": "val, one turn",
    "multi-turn": "val, several turns",
}  # fmt: skip
#: How a segmentation detector's map becomes a score of the picture.
POOLED = {
    "-top1": "mean of the upper 1 % of probabilities", "-share-0": "any pixel called edited",
    "-share": "share of pixels called edited",
}  # fmt: skip
UNSEEN = {"a": "with an edit by {}", "b": "with an edit by {}, every edit counts",
          "c": "edited by {} alone"}  # fmt: skip


def split(condition: str) -> tuple[str, float] | None:
    """`jpeg-60` -> ("jpeg", 60.0); None for a condition without an amount."""
    found = re.fullmatch(r"([a-z]+)-(\d+(?:\.\d+)?)", condition)
    return (found[1], float(found[2])) if found else None


def scored_on(config: Config, protocol: str, condition: str) -> str:
    """A condition in words; one that nobody knows as it is called."""
    if protocol == "classifiers":
        for suffix, how in POOLED.items():
            if condition.endswith(suffix):
                base = condition.removesuffix(suffix)
                return f"{scored_on(config, 'table7', base)}; {how}"
    if condition in SETS:
        return SETS[condition]
    distorted = split(condition.removesuffix(STORED))
    if distorted and distorted[0] in KINDS:
        name = f"{KINDS[distorted[0]][0]} {distorted[1]:g}{UNITS.get(distorted[0], '')}"
        return name + (" (stored picture)" if condition.endswith(STORED) else "")
    return _replayed(config, condition) or _unseen(config, protocol, condition) or condition


def _replayed(config: Config, condition: str) -> str:
    for variant, family in config.replays.items():
        for how, said in (("stored", "as painted"), ("replayed", f"painted again by {variant}")):
            for suffix, among in (("", f"samples with {family}"), ("-all", "all of val")):
                if condition == f"{variant.replace('_', '-')}-{how}{suffix}":
                    return f"{said}, {among}"
    return ""


def _unseen(config: Config, protocol: str, condition: str) -> str:
    for group in config.holdouts:
        base, _, letter = condition.rpartition("-")
        if protocols.without(group) == f"without-{base}" and letter in UNSEEN:
            ignored = ", pixels of others ignored" * (protocol == "table5" and letter == "a")
            named = UNSEEN[letter].format(" or ".join(group))
            return f"{letter.upper()}: {named}{ignored}"
    return ""


def trained_on(config: Config, subset: str) -> str:
    """A subset in words."""
    held = protocols.held_out(config, subset)
    if held:
        return "all but " + ", ".join(held)
    return "all families" if subset == protocols.ALL else subset


def published(config: Config, row: Metrics) -> Published | None:
    """The paper's row that a row of ours answers to, if any."""
    condition = "" if row.condition == CLEAN else row.condition
    if row.protocol in ("table5", "table7"):
        held = protocols.held_out(config, row.subset)
        if held:
            headline = protocols.without(held).removeprefix("without-") + "-a"
            pair = paper.pair(frozenset(held))
            if pair is None or condition != headline:
                return None
            condition = pair
        elif condition:
            return None
    return paper.find(row.protocol, row.detector, row.task, condition)
