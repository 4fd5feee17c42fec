"""A plan as a page of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline import plan_closing, plan_rows
from pipeline.plan_figures import by_model, cost, priced
from pipeline.units import duration, money

if TYPE_CHECKING:
    from pipeline.plan import Plan

WIDTH = 100
#: Spans of time in the picture, and what stands for no GPU, few and all of them.
BINS, SHADES = 68, " ▁▂▃▄▅▆▇█"


def text(plan: Plan) -> str:
    told = [*_filled(plan_closing.verdict(plan)), *plan_closing.commands(plan)]
    rest = _filled([plan_closing.room(plan), *plan_closing.assumed(plan)])
    parts = [_head(plan), _table(plan), _cuts(plan), _picture(plan), *map("\n".join, (told, rest))]
    return "\n\n".join(part for part in parts if part)


def _filled(sentences: Iterable[str]) -> list[str]:
    return [textwrap.fill(one, WIDTH) for one in sentences]


def _head(plan: Plan) -> str:
    config, gpu = plan.config, plan.gpu
    kept = "" if config.imported else f" of which about {round(plan.kept * config.samples):,} pass"
    where = f"{plan.count} x {gpu.name}" if gpu else f"{plan.count} CPUs (no stage holds a GPU)"
    return f"{config.profile}: {config.samples:,} samples{kept}; on {where}"


def _table(plan: Plan) -> str:
    what = "GPU" if plan.gpu else "CPU"
    total = sum(row.held for row in by_model(plan)) or 1.0
    head = ["model", "pods", f"{what} time", "share", "at work for", f"{what}s then"]
    lines = [[*head, *(["cost"] if priced(plan) else [])]]
    for row in by_model(plan):
        cells = [row.name, f"{row.pods:,}", duration(row.held), f"{row.held / total:.0%}",
                 duration(row.busy), f"{row.wide:.1f}"]  # fmt: skip
        if not row.held:
            cells[2:] = ["-", "-", duration(row.busy), f"{duration(row.cpu)} of CPUs"]
        lines.append(cells + ([_price(plan, row.held, row.cpu)] if priced(plan) else []))
    pods, cpu = sum(row.pods for row in by_model(plan)), sum(row.cpu for row in by_model(plan))
    last = ["all", f"{pods:,}", duration(total), "100%", duration(plan.best.makespan),
            f"{total / (plan.best.makespan or 1):.1f}"]  # fmt: skip
    lines.append(last + ([_price(plan, total, cpu)] if priced(plan) else []))
    return columns(lines)


def _cuts(plan: Plan) -> str:
    if not plan.paint or not plan.free or not plan.naive:
        return ""
    head = ["", "partitions", "painting", "its bound", "ratio", "whole run"]
    lines = [head]
    names = ("as it can be submitted", "were a workflow of any size", "one pod a family")
    for name, paint, whole in zip(
        names, plan.paint, (plan.best, plan.free, plan.naive), strict=True
    ):
        near = [duration(paint.bound), f"{paint.ratio:.2f}"] if paint.parts > 1 else ["", ""]
        lines.append([name, str(paint.parts), duration(paint.makespan), *near,
                      duration(whole.makespan)])  # fmt: skip
    return columns(lines)


def _picture(plan: Plan) -> str:
    named = [plan_rows.step(work.stage) for work in plan.works]
    found = plan_rows.rows(plan.best, plan.works, named, BINS)
    most = float(plan.count)
    width = plan.best.makespan / BINS or 1.0
    lines = [f"{row.name:<10}{duration(row.held):>14}  {_bar(row.bars, most)}"
             for row in found if row.held > 0.0005 * plan.best.work]  # fmt: skip
    whole = [sum(row.bars[i] for row in found) for i in range(BINS)]
    lines.append(f"{'all':<10}{duration(plan.best.work):>14}  {_bar(whole, most)}")
    what = "GPUs" if plan.gpu else "CPUs"
    note = f"a character is {duration(width)}; its height, how many of the {plan.count} {what} work"
    return "\n".join([*lines, " " * 26 + note])


def _bar(bars: Sequence[float], most: float) -> str:
    last = len(SHADES) - 1
    return "".join(SHADES[min(last, max(bar > 0.005 * most, round(bar / most * last)))]
                   for bar in bars).rstrip()  # fmt: skip


def _price(plan: Plan, held: float, cpu: float) -> str:
    return f"{money(cost(plan, held, cpu))} {plan.config.prices.currency}"


def columns(lines: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) if i else cell.ljust(width)
                  for i, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )  # fmt: skip
