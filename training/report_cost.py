"""What the run took: seconds of devices by family and stage, and what went into which samples.

in    a `Library` on a run, of which the manifests are read
out   `Table`s (pipeline/cost.py has the reckoning, pipeline/cost_said.py the sentences)
"""

from __future__ import annotations

from pipeline.cost import Cost, reckon
from pipeline.cost_lines import Held, Line
from pipeline.cost_said import DASH, KILLED, SHARED, each, share
from pipeline.fates import FATES, Fate
from pipeline.units import duration, money
from training.report_data import Library
from training.report_tables import Cell, Column, Table

NOTES = (
    SHARED,
    "A family has the seconds in which it made base pictures and edits, models' loading included; "
    "a kept edit's are those of edits alone.",
    KILLED,
)


def collect(library: Library) -> Cost:
    """Of every stage above the report, which cannot tell what it is still to take."""
    return reckon(library.run, library.config, without=("report",))


def tables(found: Cost) -> list[Table]:
    """By family, by stage, and what made no samples; those that have rows."""
    families = [_row(one, found, families=True) for one in (*found.families, *found.totals)]
    stages = [_row(one, found) for one in found.stages if one.shards]
    apart = [_held(one, found) for one in found.apart if one.shards]
    some = any(one.shards for one in found.totals)
    made = (
        Table("By family", _heads("family", found, True), tuple(families) if some else (), NOTES),
        Table("By stage", _heads("stage", found), tuple(stages), folded=True),
        Table("What served no single sample",
              (Column("stage", "name"), Column("device"), Column("time", "count"),
               Column("loading", "count"), *_paid_head(found)), tuple(apart), folded=True),
    )  # fmt: skip
    return [table for table in made if table.rows]


def shown(found: Cost) -> list[Fate]:
    """The columns of what became of samples; "undecided" where there are such."""
    return [fate for fate in FATES if fate != "undecided" or found.samples["undecided"]]


def _heads(first: str, found: Cost, families: bool = False) -> tuple[Column, ...]:
    names = ["time", "share" if families else "loading", *shown(found)]
    names += ["kept edits", "per kept edit"] if families else []
    counts = (Column(name, "count") for name in (*names, "per kept sample"))
    more = (Column(f"{found.currency} per kept sample", "count"),) if found.priced else ()
    return Column(first, "name"), Column("device"), *counts, *more, *_paid_head(found)


def _paid_head(found: Cost) -> tuple[Column, ...]:
    return (Column(found.currency, "count"),) if found.priced else ()


def _row(one: Line, found: Cost, families: bool = False) -> tuple[Cell, ...]:
    whole = sum(total.seconds for total in found.totals if total.device == one.device)
    texts = [one.name, one.device.upper(), duration(one.seconds)]
    texts.append(share(one.seconds, whole) if families else share(one.load, one.seconds))
    texts += [share(one.fates[fate], one.seconds) for fate in shown(found)]
    if families:
        texts += [DASH if one.edits is None else f"{one.edits:,}", each(one.per_kept_edit)]
    texts.append(each(one.per_kept_sample))
    if found.priced:
        texts += [_money(one.money_per_kept_sample), _money(one.money)]
    return tuple(Cell(text) for text in texts)


def _held(one: Held, found: Cost) -> tuple[Cell, ...]:
    texts = [one.name, one.device.upper(), duration(one.seconds), share(one.load, one.seconds)]
    return tuple(Cell(text) for text in (*texts, *([_money(one.money)] if found.priced else ())))


def _money(amount: float | None) -> str:
    return DASH if amount is None else money(amount)
