"""Give a finished run its plain names, or say how far a run has come.

    python -m pipeline.finish --run DIR             # after the report: dataset/, report.html
    python -m pipeline.finish --run DIR --summary   # at a workflow's end, whatever became of it

The summary recounts the run, as `palimpsest audit` does, but is no verdict: a workflow that painted
one range of a run's partitions has done its work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline import publish, summary
from pipeline.audit import audit
from pipeline.errors import guard
from pipeline.shards import RunFolder
from pipeline.stage import Parser, read_run


def main(argv: list[str]) -> int:
    args = _arguments(argv)
    if args.summary:
        print(summary.as_text(audit(args.run)), flush=True)
        return 0
    publish.everything(RunFolder(args.run), read_run(args.run))
    print(f"{args.run}: dataset/, models/, report.html and report.md are in place", flush=True)
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="pipeline.finish", description="publish a run", allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--summary", action="store_true", help="only say how far it has come")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
