"""`make dashboards`: run the demo under a real Prometheus, print what each query of the dashboards
and alerts finds, and draw the pictures of the docs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.dashboards import boards, check, draw
from tests.dashboards.watched import Watched, watched

#: Share of the shards at which the pictures of a run under way are taken: in the midst of edits.
SHARE = 0.6
SCRAPE = 5.0  # seconds


def moments(seen: Watched) -> dict[str, float]:
    """Seconds after the start at which each dashboard is drawn: training just before the end, when
    scores are there, the others in the midst."""
    expr = "sum(palimpsest_run_committed_shards) / sum(palimpsest_run_shards)"
    ((_, points),) = seen.range(expr)
    midst = next(at for at, share in points if share >= SHARE) - seen.start
    last = seen.finished - seen.start - 2 * seen.scrape
    return dict.fromkeys(boards.NAMES, midst) | {"training": last}


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
