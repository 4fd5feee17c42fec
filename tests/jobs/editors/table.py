"""Print which family holds which part of the contract: `python -m tests.jobs.editors.table`.

Runs tests/jobs/editors/test_families.py; more arguments are pytest's. `ok`, `no`, and `-` where a
check says nothing of a family (it has no weights, no autoencoder, no checker).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Table:
    """Collects outcomes by check and family."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name, _, inside = report.nodeid.rpartition("::")[2].partition("[")
        family = inside.rstrip("]").rpartition("-")[2]
        if not family or (report.when != "call" and report.passed):
            return
        outcome = "no" if report.failed else "-" if report.skipped else "ok"
        worst = self.found[name].get(family, "ok")
        self.found[name][family] = outcome if worst == "ok" else worst

    def lines(self) -> list[str]:
        families = sorted({family for row in self.found.values() for family in row})
        width = max(map(len, self.found), default=0)
        head = " ".join([" " * width, *families])
        return [head, *(self._line(name, families, width) for name in self.found)]

    def _line(self, name: str, families: list[str], width: int) -> str:
        cells = (f"{self.found[name].get(one, '-'):<{len(one)}}" for one in families)
        said = name.removeprefix("test_").replace("_", " ")
        return " ".join([f"{said:<{width}}", *cells]).rstrip()


def main(argv: list[str]) -> int:
    table = Table()
    code = pytest.main(["-q", "-p", "no:cacheprovider", str(HERE / "test_families.py"), *argv],
                       plugins=[table])  # fmt: skip
    print("\n".join(table.lines()))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
