"""What a plan says in sentences: what limits it, what to type, the disk, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline import plan_rows
from pipeline.devices import UTILISATION
from pipeline.estimate import READ, START
from pipeline.plan_cuts import NODES
from pipeline.plan_figures import disk

if TYPE_CHECKING:
    from pipeline.estimate_like import Pilot
    from pipeline.plan import Plan

GIB = 2**30


def verdict(plan: Plan) -> Iterator[str]:
    """How much is won by cutting the run, and how much is lost to Argo's limit."""
    if not plan.paint or not plan.limits:
        return
    mine, free, naive = plan.paint
    yield (f"Painting takes {naive.makespan / mine.makespan:.1f} times as long with one pod a "
           "family.")  # fmt: skip
    held = max(plan.limits.run, plan.limits.paint, 1)
    if (lost := mine.makespan / free.makespan) > 1.02:
        yield (f"A workflow holds {held} partitions (Argo keeps about {NODES:,} nodes), and those "
               f"of one run wait for each other: painting takes {lost:.1f} times as long as it "
               f"would in one workflow of {free.parts} partitions.")  # fmt: skip


def commands(plan: Plan) -> Iterator[str]:
    """What to type, after the one key of the profile that has to be another for it."""
    if plan.config.imported:  # which says itself how many samples it has
        yield f"palimpsest import {plan.config.imported.dataset} PATH"
        return
    if plan.resized:
        yield f"samples: {plan.config.samples}  # in the profile"
    if not plan.limits or not plan.gpu:
        yield f"palimpsest run --profile {plan.config.profile}"
        return
    start = f"argo submit --from workflowtemplate/palimpsest-{plan.config.profile}"
    parts, span = plan.best.parts, plan.best.span
    if parts <= plan.limits.run:
        yield f"{start} -p partitions={parts}"
        return
    firsts = range(0, parts, span)
    for first in firsts[:2]:
        last = min(first + span, parts) - 1
        yield (f"{start} --entrypoint paint \\\n  -p partitions={parts} -p first-partition={first} "
               f"-p last-partition={last}")  # fmt: skip
    if len(firsts) > 2:
        yield f"... and so on, {len(firsts)} of them"
    yield f"{start} --entrypoint finish -p partitions={parts}"


def room(plan: Plan) -> str:
    """On the volume of the runs."""
    shards, caches = disk(plan)
    each = shards / plan.config.samples / 1e6
    more = f", and {size(caches)} of training's caches" if caches else ""
    return f"Disk: {size(shards)} of shards, {each:.1f} MB a sample{more}."


def size(count: float) -> str:
    """2,048 GiB; below one, in MiB."""
    return f"{count / GIB:,.0f} GiB" if count >= GIB else f"{count / 2**20:,.0f} MiB"


def assumed(plan: Plan) -> Iterator[str]:
    """What the figures rest on, a sentence or two a line."""
    if plan.like:
        yield from _measured(plan, plan.like)
    if plan.gpu and any(work.source == "card" for work in plan.works):
        rest = "The rest is reckoned" if plan.like else "Reckoned, not measured"
        yield (f"{rest}: {UTILISATION:.0%} of the data sheet's {plan.gpu.half:,.0f} TFLOP/s, "
               f"{START:.0f} s and {READ:.0f} GiB/s until a model is loaded"
               + ("." if plan.config.imported else f", {plan.kept:.0%} of all samples kept, no "
                  "turn declined."))  # fmt: skip
    if not plan.like:
        cpus = "" if plan.gpu else "Seconds of CPUs are those of one server. "
        yield f"{cpus}--like RUN takes the seconds of a pilot run instead."


def _measured(plan: Plan, like: Pilot) -> Iterator[str]:
    done = [work.stage.name for work in plan.works if work.source == "run"]
    kept = "" if like.kept is None else f"; {like.kept:.0%} of its samples passed"
    yield f"Measured by {like.path}: {len(done)} of {len(plan.works)} stages{kept}."
    for source, how in (("card", "by their cards"), ("constant", "by seconds of another server")):
        left = dict.fromkeys(
            plan_rows.who(work) if source == "card" else plan_rows.step(work.stage)
            for work in plan.works if work.source == source
        )  # fmt: skip
        if left:
            yield f"Not measured there, so taken {how}: {', '.join(left)}."
    yield from (f"Take care: {one}." for one in like.differs(plan.config, plan.gpu))
