"""The stage `report`: one HTML file that shows a run to a person.

in    the three splits, index, evaluations, train curves; pictures of every turn; all manifests
out   page.html (published as <run>/report.html): no scripts, nothing loaded from anywhere
run   python -m training.report --run runs/demo

report_data.py      reads the datasets          report_stages.py      tallies the manifests
report_sheet.py     chooses and tells samples   report_pictures.py    palette, outlines, images
report_plots.py     figures as SVG              report_statistics.py  the paper's Figure 3
report_charts.py    loss, confusion, time       report_page.py        puts it all together
"""

from __future__ import annotations

import sys

from pipeline import events
from pipeline.errors import guard
from pipeline.stage import context


def main(argv: list[str]) -> int:
    here = context("training.report", argv)
    if here.run.committed(here.stage.name, 0):
        events.say("already-committed", "already committed")
        return 0
    from pipeline.loop import Clock, publish
    from pipeline.records import Reported
    from training.report_data import Library
    from training.report_page import page

    clock, library = Clock(), Library(here.run, here.config)
    for dataset in here.stage.reads:  # all there? say so before any work is done
        for shard in range(here.config.shards if dataset.startswith("assemble-") else 1):
            library.join(dataset, shard)
    html = page(library, clock)
    publish(here, {"report": Reported(html)}, ["report"], library.parents, clock)
    events.say("page-written", "{megabytes:.1f} MB", megabytes=round(len(html.encode()) / 1e6, 3))
    return 0


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
