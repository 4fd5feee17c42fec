"""The stage `report`: what a run came to, as one HTML file and one Markdown file.

in    the three splits, index, scores, train curves; pictures of every turn; all manifests
out   page.html, text.md (published as <run>/report.html, report.md): no scripts, nothing loaded
      from anywhere
run   python -m training.report --run runs/demo

report_data.py      reads the datasets          report_trials.py      reads scores and curves
report_gather.py    all that is told, once      report_tables.py      ours beside the paper's
report_columns.py   how a score is called       paper.py              what the paper published
report_readings.py  how the paper was read      report_notes.py       what stands under a table
report_provenance.py  digests, machines, hours  report_stages.py      tallies the manifests
report_sheet.py     chooses and tells samples   report_pictures.py    palette, outlines, images
report_plots.py     figures as SVG              report_statistics.py  the paper's figure 3
report_learning.py  curves, figure 5            report_severity.py    scores by severity
report_charts.py    time                        report_panels.py      the paper's figure 6
report_cost.py      what the samples took
report_page.py      the HTML file               report_markdown.py    the Markdown file
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import events, progress
from pipeline.errors import guard
from pipeline.stage import context, read_run

if TYPE_CHECKING:
    from pipeline.clock import Clock
    from training.report_data import Library


def main(argv: list[str]) -> int:
    here = context("training.report", argv)
    if here.run.committed(here.stage.name, 0):
        progress.nothing_to_do(here)
        return 0
    from pipeline.clock import Clock
    from pipeline.loop import publish
    from pipeline.meter import Meter
    from pipeline.records import Reported
    from training.report_data import Library

    clock, library = Clock(Meter(here)), Library(here.run, here.config)
    for dataset in here.stage.reads:  # all there? say so before any work is done
        for shard in range(here.config.shards if dataset.startswith("assemble-") else 1):
            library.join(dataset, shard)
    html, text = both(library, clock)
    events.say("page-written", "report.html has {megabytes:.1f} MB",
               megabytes=round(len(html.encode()) / 1e6, 3))  # fmt: skip
    publish(here, {"report": Reported(html, text)}, ["report"], library.parents, clock)
    return 0


def both(library: Library, clock: Clock) -> tuple[str, str]:
    """The page and the Markdown file of what is committed."""
    from training.report_gather import gather
    from training.report_markdown import markdown
    from training.report_page import page

    found = gather(library, clock)
    return page(found, clock), markdown(found)


def again(run: Path) -> tuple[Path, Path]:
    """Write report.html and report.md of the run folder anew from what is committed, be it complete
    or not, and return where they lie. What the stage `report` committed is left as it is. Raises
    InputError if `run` is no run."""
    from pipeline import disk
    from pipeline.clock import Clock
    from pipeline.shards import RunFolder
    from training.report_data import Library

    html, text = both(Library(RunFolder(run), read_run(run)), Clock())
    for name, data in (("report.html", html), ("report.md", text)):
        disk.replace(run / name, data.encode())
    return run / "report.html", run / "report.md"


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
