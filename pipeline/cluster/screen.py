"""A run as text in a terminal: a line per stage, a cell per partition."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cluster.api import Object
from pipeline.cluster.nodes import (
    BAD,
    ENDED,
    GOOD,
    Hidden,
    Step,
    nodes,
    phase,
    run_of,
    seconds,
    steps,
)
from pipeline.cluster.planned import planned
from pipeline.events import clean

#: More partitions than this are counted, not shown one by one.
CELLS = 8
#: Failures that are shown in full.
FAILURES = 10
COLOURS = {GOOD: "green", "Failed": "red", "Error": "red", "Running": "cyan"}


def workflow(found: Object, now: datetime, height: int = 0) -> RenderableType:
    """Everything, or with a `height` no more lines than that, as far as stages can be left out."""
    run, name = run_of(found), found["metadata"]["name"]
    state = phase(found)
    head = Text.assemble(
        f"run {run} · {name} · ", (state, COLOURS.get(state, "")), f" · {time_of(found, now)}"
    )
    message = (found.get("status") or {}).get("message", "")
    lines: list[RenderableType] = [head]
    if message:
        lines.append(Text(clean(message), style="dim"))
    try:
        nodes(found)
    except Hidden:
        lines.append(Text(
            "its steps lie in the database of the workflow controller (offloadNodeStatus): "
            f"progress {(found.get('status') or {}).get('progress', 'unknown')}; "
            "Argo's own interface shows each"
        ))  # fmt: skip
        return Group(*lines)
    every = every_step(found)
    if not every:
        lines.append(Text("nothing has begun yet"))
        return Group(*lines)
    done = sum(step.phase == GOOD for step in every)
    said = _failures(every)
    lines.append(_bar("all steps", every, f"{done}/{len(every)}"))
    stages = _by_stage(every)
    if height and len(stages) + len(lines) + 2 * len(said) + 1 > height:
        lines += _left_out(stages)
    lines.append(_stages(stages))
    return Group(*lines, *said)


def _left_out(stages: dict[str, list[Step]]) -> list[Text]:
    """Take out the stages of which nothing is under way, and say how many they are."""
    done = [name for name, of in stages.items() if all(step.phase == GOOD for step in of)]
    later = [name for name, of in stages.items() if all(step.phase == "Waiting" for step in of)]
    for name in [*done, *later]:
        del stages[name]
    return [Text(f"{len(done)} stages done, {len(later)} wait for others", style="dim")]


def every_step(found: Object) -> list[Step]:
    """What has begun, and what the template says will begin."""
    begun = {(step.stage, step.partition): step for step in steps(found)}
    plan = planned(found)
    ordered = [begun.pop(one, Step(*one, "Waiting")) for one in plan]
    return [*ordered, *begun.values()]


def _stages(stages: dict[str, list[Step]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    table.add_column("stage", no_wrap=True)
    table.add_column("", width=18)
    table.add_column("", justify="right", width=4)
    table.add_column("partitions", no_wrap=True)
    table.add_column("retries", justify="right")
    for stage, of in stages.items():
        retries = sum(step.retries for step in of)
        table.add_row(stage, _share_bar(of, 18), f"{_share(of):.0%}", _cells(of),
                      str(retries) if retries else "")  # fmt: skip
    return table


def _by_stage(every: Iterable[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in every:
        found.setdefault(clean(step.stage), []).append(step)
    return found


def _share(of: list[Step]) -> float:
    return sum(step.share for step in of) / len(of)


def _share_bar(of: list[Step], width: int) -> ProgressBar:
    failed = any(step.phase in BAD for step in of)
    style = "red" if failed else "green"
    return ProgressBar(total=1.0, completed=_share(of), width=width, complete_style=style,
                       finished_style=style)  # fmt: skip


def _bar(name: str, of: list[Step], right: str) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_row(name, _share_bar(of, 40), right)
    return table


def _cells(of: list[Step]) -> Text:
    """One word a partition, or the counts where there are many."""
    if len(of) > CELLS:
        count: dict[str, int] = {}
        for step in of:
            count[step.phase] = count.get(step.phase, 0) + 1
        parts = [(f"{n} {name.lower()}", COLOURS.get(name, "dim")) for name, n in count.items()]
    else:
        parts = [(_cell(step), COLOURS.get(step.phase, "dim")) for step in of]
    return Text("  ").join(Text(*one) for one in parts)


def _cell(step: Step) -> str:
    word = f"{step.share:.0%}" if step.phase == "Running" else step.phase.lower()
    word = "done" if step.phase == GOOD else word
    return word if step.partition is None else f"{step.partition}:{word}"


def _failures(every: list[Step]) -> list[Text]:
    bad = [step for step in every if step.phase in BAD]
    shown = [
        Text(f"{clean(str(step))} {step.phase.lower()}: {clean(step.message)}", style="red")
        for step in bad[:FAILURES]
    ]
    if len(bad) > FAILURES:
        shown.append(Text(f"and {len(bad) - FAILURES} more failures", style="red"))
    waiting = [step for step in every if step.phase == "Pending" and step.message]
    shown += [Text(f"{clean(str(step))} waits: {clean(step.message)}", style="yellow")
              for step in waiting[:FAILURES]]  # fmt: skip
    return shown


def ended(found: Object) -> list[str]:
    """A line for each stage of which every partition has ended."""
    lines = []
    for stage, of in _by_stage(every_step(found)).items():
        if all(step.phase in ENDED for step in of):
            bad = sum(step.phase in BAD for step in of)
            how = f"{bad} of {len(of)} failed" if bad else "done"
            retries = sum(step.retries for step in of)
            lines.append(f"{stage}: {how}" + (f", {retries} retries" if retries else ""))
    return lines


def time_of(found: Object, now: datetime) -> str:
    whole = int(seconds(found, now))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole % 60:02} s"
