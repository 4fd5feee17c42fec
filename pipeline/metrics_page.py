"""docs/metrics.md: the tables of all metrics, generated from pipeline/metrics.py.

    python -m pipeline.metrics_page            # write them anew, between their marks
    python -m pipeline.metrics_page --check    # write nothing; fail if they differ

The rest of the page is written by hand.
"""

from __future__ import annotations

import sys

from pipeline import disk, metrics
from pipeline.code import ROOT
from pipeline.errors import OK, PERMANENT, ConfigError, InputError, guard
from pipeline.metrics import Metric

PAGE = ROOT / "docs" / "metrics.md"
#: Each table: what its mark is called, and how the names of its metrics begin.
TABLES = {
    "stages": ("palimpsest_build_", "palimpsest_stage_"),
    "gpus": ("palimpsest_gpu_",),
    "training": ("palimpsest_training_",),
    "runs": ("palimpsest_run_", "palimpsest_disk_"),
}
HEAD = ("| metric | kind | labels | meaning |", "|---|---|---|---|")


def main(argv: list[str]) -> int:
    if argv not in ([], ["--check"]):
        raise ConfigError("usage: python -m pipeline.metrics_page [--check]")
    before = PAGE.read_text()
    after = written(before)
    if not argv:
        disk.replace(PAGE, after.encode())
        return OK
    if before != after:
        print(f"{PAGE} is not what pipeline/metrics.py says: run `python -m pipeline.metrics_page`")
    return OK if before == after else PERMANENT


def written(page: str) -> str:
    """The page with its tables made anew. Raises InputError where a mark is missing."""
    for name, beginnings in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise InputError(f"{PAGE} has no marks {begin.strip()} and {end.strip()}: put them in")
        page = before + begin + table(beginnings) + end + after
    return page


def table(beginnings: tuple[str, ...]) -> str:
    """The metrics whose names begin so, in the order in which they are declared."""
    rows = [_row(one) for name, one in metrics.ALL.items() if name.startswith(beginnings)]
    return "\n".join([*HEAD, *rows]) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    lives = " Of living processes only." if metric.lives else ""
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help}{lives} |"


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
