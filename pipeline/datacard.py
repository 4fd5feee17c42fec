"""The dataset's own README.md, as model hubs show it: what it is, how to read it, whom to credit.

    in    the index, and the table of columns
    out   Markdown behind a YAML head; the same index gives the same bytes

Texts of users and models go through `cell` (Markdown) or the YAML writer, never in as they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

import yaml

from pipeline.cards import card
from pipeline.documents import Credit, IndexFacts
from pipeline.edits import COLUMNS

LISTED = 500
MEMBERS = {
    "image.png": "the finished picture, RGB, 8 bit",
    "mask.png": "who painted a pixel last, one channel, 8 bit: 0 = nobody (test with `> 0`)",
    "turns.png": "in which turn that was, one channel, 8 bit: 0 = never",
    "sample.json": "the source, the regions, every edit with its prompts and seeds, the score",
}
SPLITS = {
    "train": "to train with",
    "val": "to validate with; no photograph lies in both",
    "filtered": "set apart by the judge or without an edit, not for training",
}
#: Shards of photographs beside the splits.
REALS = "reals"
PARTS = {"unedited": "to train segmentation with", "negative": "the other class of whole pictures"}
TINY = """\
> **Tiny random weights paint noise.** The families that made this dataset are untrained miniatures:
> it tests the machinery, and a score on it says nothing about detection.
"""
IMPORTED = """\
> **Imported, not painted here.** Of these samples only pictures and label maps are known. Each
> family in a label map stands as one edit, numbered in order of the labels; what was asked for,
> when, and on what kind of picture is not known, nor is a family that was painted over seen.
"""
#: The PNG's own mode decides: webdataset's "rgb8" and "pil" would make three channels of a mask.
LOAD = """\
import glob, io, os
os.environ["WDS_SECURE"] = "1"  # before webdataset: it then runs neither pickles nor commands
import numpy, webdataset
from PIL import Image

def pixels(key, data):  # image (H, W, 3), mask and turns (H, W), all uint8
    return numpy.asarray(Image.open(io.BytesIO(data))) if key.endswith(".png") else None

tars = sorted(glob.glob("train-*.tar"))
for sample in webdataset.WebDataset(tars, shardshuffle=False).decode(pixels):
    image, mask, edits = sample["image.png"], sample["mask.png"], sample["sample.json"]["edits"]
"""


class _Foreign(str):
    """A text of others in the head, which viewers that know no YAML heads show as Markdown: what
    would begin an element there is written as an escape of YAML's."""


class _Dumper(yaml.SafeDumper):
    pass


#: What may begin an element or a link: what stands for it until the text is dumped, and its escape.
_OPENS = {"<": ("\ue000", "\\x3C"), "[": ("\ue001", "\\x5B"), "`": ("\ue002", "\\x60")}


def _foreign(dumper: yaml.SafeDumper, text: _Foreign) -> yaml.ScalarNode:
    marked = str(text)
    for letter, (mark, _) in _OPENS.items():
        marked = marked.replace(mark, "").replace(letter, mark)
    style = '"' if marked != text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", marked, style)


_Dumper.add_representer(_Foreign, _foreign)


def readme(facts: IndexFacts) -> str:
    """The whole file."""
    there = [split for split in SPLITS if facts.samples[split]]
    parts = [
        _head(facts, there),
        f"# Palimpsest: {cell(facts.profile)}",
        "Pictures painted over, turn by turn, by several diffusion families, with a map of who "
        "painted which pixel. Keys and masks are as in DiffSeg30k (arXiv 2511.19111).",
        TINY if facts.weights == "tiny" and not facts.config.get("imported") else "",
        IMPORTED if facts.config.get("imported") else "",
        *_splits(facts, there),
        "## A sample", _table(("file in the shard", "holds"), (
            (f"`NNNNNNNN.{name}`", text) for name, text in MEMBERS.items())),
        "## Labels", _table(("value", "family", "model", "licence of its published weights"), (
            (str(label), cell(name), *_model(name)) for name, label in facts.labels.items())),
        "## Read it", "In this folder, with `pip install webdataset pillow numpy`:",
        f"```python\n{LOAD}```",
        "## edits.parquet", "One row an edit; boxes are (x, y, width, height).",
        _table(("column", "type", "holds"), (
            (f"`{name}`", f"`{kind}`", text) for name, (kind, text) in COLUMNS.items())),
        *_credits(facts.sources, bool(facts.reals)),
        "## How it was made",
        f"With the settings under `config` in `index.json`. Dataset digest `{facts.digest}`.",
    ]  # fmt: skip
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _head(facts: IndexFacts, there: Sequence[str]) -> str:
    total = sum(facts.samples[split] for split in there) + sum(facts.reals.values())
    sizes = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")]
    names = {"val": "validation"}
    head = {
        "pretty_name": f"Palimpsest: {facts.profile}",
        "license": "other",
        "license_name": "per-source",
        "licenses_of_sources": [
            _Foreign(one) for one in sorted({one.licence or "not stated" for one in facts.sources})
        ],
        "task_categories": ["image-segmentation"],
        "tags": ["image-forensics", "diffusion", "inpainting", "webdataset"],
        "size_categories": [next((name for top, name in sizes if total < top), "1M<n<10M")],
        "configs": [
            {"config_name": "samples", "default": True, "data_files": [
                {"split": names.get(split, split), "path": f"{split}-*.tar"} for split in there]},
            *([{"config_name": REALS, "data_files": f"{REALS}-*.tar"}] if facts.reals else []),
            {"config_name": "edits", "data_files": "edits.parquet"},
        ],
    }  # fmt: skip
    text = yaml.dump(head, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    for mark, escape in _OPENS.values():
        text = text.replace(mark, escape)
    return f"---\n{text}---"


def _model(family: str) -> tuple[str, str]:
    facts = card("editors", family)
    gate = " (to be accepted before they are downloaded)" if facts.gated else ""
    return cell(facts.title), cell(facts.licence + gate)


def _splits(facts: IndexFacts, there: Sequence[str]) -> list[str]:
    rows = [(f"`{split}-*.tar`", f"{facts.samples[split]:,}", SPLITS[split]) for split in there]
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in facts.declined.items())
    lost = f" Neither to train nor to validate with: {reasons}." if reasons else ""
    return ["## Splits", _table(("shards", "samples", ""), rows),
            f"{facts.planned:,} samples were planned.{lost}", *_reals(facts)]  # fmt: skip


def _reals(facts: IndexFacts) -> list[str]:
    """Of the photographs beside the samples."""
    if not facts.reals:
        return []
    rows = [(f"`{part}`", split, f"{facts.reals[f'{part}-{split}']:,}", PARTS[part])
            for part in PARTS for split in ("train", "val") if f"{part}-{split}" in facts.reals
            ]  # fmt: skip
    return [
        f"`{REALS}-*.tar` holds {sum(facts.reals.values()):,} photographs that nobody edited, cut "
        "and stored as those of the samples were, with an empty `mask.png`; no sample is made from "
        "one of them, and `real.json` says part, split and source:",
        _table(("part", "split", "photographs", ""), rows),
    ]


def _credits(sources: Sequence[Credit], reals: bool) -> list[str]:
    apart = f", but for those of `{REALS}-*.tar`" if reals else ""
    what = "pictures" if reals else "samples"
    if not sources:
        return ["## Photographs", "None: every picture was made from a caption."]
    rows = [
        (cell(one.file), cell(one.author or "not stated"), cell(one.licence or "not stated"),
         _link(one.url), f"{one.samples:,}") for one in sources[:LISTED]
    ]  # fmt: skip
    more = len(sources) - len(rows)
    rest = [f"{more:,} more are under `sources` in `index.json`."] if more else []
    return ["## Photographs", "Each keeps the licence of its author; all were cropped and scaled, "
            f"then painted over{apart}.",
            _table(("file", "author", "licence", "published at", what), rows), *rest,
            ]  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _link(url: str) -> str:
    """An address that is one as a link, anything else as words."""
    return f"<{url}>" if re.fullmatch(r"https?://[^\s<>|\\`]+", url) else cell(url)


def cell(text: str) -> str:
    """Any text as plain words in a Markdown table: one line, no markup, no HTML."""
    line = " ".join(html.escape(text, quote=False).split())
    return re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", line)
