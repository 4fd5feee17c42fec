"""`make dashboards`: run the demo under a real Prometheus, print what each query of the dashboards
and alerts finds, and draw the pictures of the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.dashboards import boards, check, draw
from tests.dashboards.watched import Watched, watched

SCRAPE = 2.0  # seconds


def moments(seen: Watched) -> dict[str, float]:
    """Seconds after the start at which each dashboard is drawn: the run in the midst of its edits,
    training at the end, when scores are there, the others once half of the samples are settled."""
    committed = "sum(palimpsest_run_committed_shards) / sum(palimpsest_run_shards)"
    settled = "sum(palimpsest_run_finished_samples_total) / sum(palimpsest_run_planned_samples)"
    found = dict.fromkeys(boards.NAMES, _reached(seen, settled, 0.5))
    return found | {"run": _reached(seen, committed, 0.6), "training": seen.end - seen.start}


def _reached(seen: Watched, expr: str, share: float) -> float:
    """When an expression first came to this value, in seconds after the start."""
    ((_, points),) = seen.range(expr, 1000)
    return next(at for at, value in points if value >= share) - seen.start


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards", description=__doc__)
    parser.add_argument("--profile", default="demo", help="(%(default)s)")
    parser.add_argument("--pictures", type=Path, help="the folder to draw into")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="palimpsest-dashboards-") as folder,
        watched(Path(folder), args.profile, SCRAPE) as seen,
    ):
        rows = check.check(seen, check.Empty.read())
        print(check.as_text(rows))
        if args.pictures:
            for path in draw.draw_all(seen, moments(seen), args.pictures):
                print(path)
    return int(any(row.faults for row in rows))


if __name__ == "__main__":
    sys.exit(main())
