"""The parsers cost nothing until a command is run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SPY = """
import atexit, sys
HEAVY = ("kubernetes", "rich", "yaml", "pydantic", "urllib3")
atexit.register(lambda: sys.stderr.write("HEAVY " + ",".join(set(HEAVY) & set(sys.modules))))
from pipeline.cli import entry
entry()
"""


def spied(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", SPY, *args], capture_output=True, text=True,
                          check=False, cwd=ROOT)  # fmt: skip


def test_help_imports_no_client() -> None:
    done = spied("--help")
    assert (done.returncode, done.stderr) == (0, "HEAVY ")
    for name in ("submit", "status", "logs", "stop", "doctor", "render", "lint"):
        assert f"\n    {name} " in done.stdout


def test_an_unknown_command_lists_the_known_ones() -> None:
    done = spied("stauts")
    assert done.returncode == 2 and "invalid choice: 'stauts'" in done.stderr
    assert "status" in done.stderr and done.stderr.endswith("HEAVY ")
