"""The tables of `palimpsest cost`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pipeline.cost import Cost
from pipeline.cost_lines import Held, Line
from pipeline.cost_said import DASH, KILLED, SHARED, sentences, share
from pipeline.fates import Fate
from pipeline.units import duration, money

WIDTH = 100
#: Heads of the columns of what became of samples; the last is shown where there are such samples.
FATES: dict[Fate, str] = {
    "kept": "kept", "filtered": "filt", "quarantined": "quar", "undecided": "undec",
}  # fmt: skip
Row = tuple[str, ...]


def as_text(found: Cost) -> str:
    """All of it, at most `WIDTH` characters wide. A family has the seconds that it generated and
    edited in; where a share or a figure means nothing, there is none."""
    families = [_line(one, found, True) for one in (*found.families, *found.totals)]
    stages = [_line(one, found, False) for one in found.stages if one.shards]
    blocks = [_heading(found), _table(_head("family", found, True), families)]
    if stages:
        blocks.append(_table(_head("stage", found, False), stages))
    if apart := [one for one in found.apart if one.shards]:
        head = ("not of single samples", "on", "time", "load", *_currency(found))
        rows = [_apart(one, found) for one in (*apart, *_sums(apart, found))]
        blocks.append(_table(head, rows))
    if found.gpus:
        said = (f"{duration(seconds)} on {name}" for name, seconds in found.gpus.items())
        blocks.append(_wrapped(f"GPUs: {', '.join(said)}."))
    blocks.append("\n".join(_wrapped(text) for text in (*sentences(found), SHARED, KILLED)))
    return "\n\n".join(blocks)


def _heading(found: Cost) -> str:
    """What the run has come to so far."""
    counts = ", ".join(f"{n:,} {fate}" for fate, n in found.samples.items()
                       if n or fate != "undecided")  # fmt: skip
    return _wrapped(f"{found.run} ({found.profile}): of {found.planned:,} planned samples {counts}")


def _shown(found: Cost) -> list[Fate]:
    return [fate for fate in FATES if fate != "undecided" or found.samples["undecided"]]


def _currency(found: Cost) -> Row:
    return (found.currency,) if found.priced else ()


def _head(first: str, found: Cost, families: bool) -> Row:
    fates = (FATES[fate] for fate in _shown(found))
    return (first, "on", "time", "share" if families else "load", *fates,
            *(("edits", "s/edit") if families else ()), "s/sample", *_currency(found))  # fmt: skip


def _line(one: Line, found: Cost, family: bool) -> Row:
    whole = sum(total.seconds for total in found.totals if total.device == one.device)
    fates = (share(one.fates[fate], one.seconds) for fate in _shown(found))
    edits = ("" if one.edits is None else f"{one.edits:,}", _bare(one.per_kept_edit))
    parts = share(one.seconds, whole) if family else share(one.load, one.seconds)
    return (one.name, one.device, duration(one.seconds), parts, *fates,
            *(edits if family else ()), _bare(one.per_kept_sample), *_paid(one, found))  # fmt: skip


def _apart(one: Held, found: Cost) -> Row:
    return (one.name, one.device, duration(one.seconds), share(one.load, one.seconds),
            *_paid(one, found))  # fmt: skip


def _sums(lines: Sequence[Held], found: Cost) -> list[Held]:
    """A line for each device."""
    sums = []
    for device in found.prices:
        mine = [one for one in lines if one.device == device]
        paid = [one.money for one in mine if one.money is not None]
        total = {"seconds": sum(one.seconds for one in mine), "load": sum(one.load for one in mine)}
        sums += [mine[0].model_copy(update={"name": "all", "money": sum(paid) if paid else None,
                                            **total})] if mine else []  # fmt: skip
    return sums


def _paid(one: Held, found: Cost) -> Row:
    if not found.priced:
        return ()
    return (DASH if one.money is None else money(one.money),)


def _bare(seconds: float | None) -> str:
    """Seconds under a head that names the unit."""
    if seconds is None:
        return ""
    return f"{seconds:,.3f}" if seconds < 10 else f"{seconds:,.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Right-aligned but for the first column, which is cut where the others need the room."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    widths[0] = min(widths[0], WIDTH - sum(width + 1 for width in widths[1:]))
    lines = []
    for row in (head, *rows):
        first = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
        cells = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append(" ".join((f"{first:<{widths[0]}}", *cells)).rstrip())
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    # a path is never broken, so that it can be copied
    lines = textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False,
                          break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)
