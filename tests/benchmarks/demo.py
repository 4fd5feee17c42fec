"""Print the README's figures of the demo: `make figures`.

Runs the demo twice in a fresh folder; samples the proportional set size (PSS, shared pages counted
once) of all its processes twice a second; then times the command line.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pipeline.documents import Scores
from pipeline.shards import RunFolder, join

#: In the order of the README's columns.
FIGURES = ("accuracy", "accuracy_foreground", "miou", "bf1_2px")
COMMAND = [sys.executable, "-m", "pipeline.cli"]


def memory(root: psutil.Process) -> float:
    """MiB of `root` and all its descendants. The fork server is a child like any other."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def run(out: str) -> tuple[float, float]:
    """Wall seconds and peak MiB of one `palimpsest run --profile demo`."""
    begun, peak = time.monotonic(), 0.0
    with subprocess.Popen([*COMMAND, "run", "--profile", "demo", "--out", out]) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, memory(root))
            time.sleep(0.5)
    if process.returncode:
        sys.exit(process.returncode)
    return time.monotonic() - begun, peak


def cpu(*args: str) -> float:
    """CPU seconds of one command; the least of three."""
    tries = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*COMMAND, *args], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tries.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(tries)


def scores(out: str) -> list[tuple[str, ...]]:
    """A row for each task: what the evaluation for table 2 committed, undistorted."""
    found = []
    for task in ("binary", "semantic"):
        dataset = f"evaluate-table2-deeplabv3plus-{task}"
        rows = join(RunFolder(Path(out)), (dataset,), 0).rows
        scored: Scores = rows["scores"].get("scores", "Scores")
        (row,) = (row for row in scored.rows if row.condition == "clean")
        values = [row.figures[name].value for name in FIGURES]
        texts = ("–" if value is None else f"{value:.3f}" for value in values)
        found.append((f"DeepLabV3+ ResNet-18, {task}", *texts))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "demo")
        first, peak = run(out)
        second, _ = run(out)
        rows = [
            ("the whole demo", f"{first:.0f} s, at most {peak:.0f} MiB"),
            ("the demo again, nothing to compute", f"{second:.1f} s"),
        ]
        for name, args in (("--help", ["--help"]), ("show", ["show"]), ("audit", ["audit", out])):
            rows.append((f"`palimpsest {name}`", f"{cpu(*args):.2f} CPU s"))
        scored = scores(out)
    for name, value in rows:
        print(f"| {name} | {value} | `make figures` |")
    for row in scored:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
