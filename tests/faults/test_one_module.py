"""All that writes, renames, links or removes a file of a run goes through pipeline/disk.py, where a
test can make it fail. Whoever does it elsewhere is named here, with the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.code import ROOT

#: Files of no run: logs and progress for whoever watches, what developers render, weights that are
#: fetched or built into a folder of their own, and what tries a disk out.
ELSEWHERE = {
    "pipeline/child.py": "a stage's log",
    "pipeline/doctor.py": "tries a disk",
    "pipeline/doctor_disk.py": "tries a disk",
    "pipeline/errors.py": "the termination message of a pod",
    "pipeline/pulse.py": "N/M for whoever watches",
    "pipeline/local_metrics.py": "a folder of live metrics, thrown away",
    "pipeline/held.py": "links to open files, in a temporary folder",
    "pipeline/runs.py": "the lock of the local executor",
    "pipeline/render.py": "the chart",
    "pipeline/schema.py": "the chart",
    "pipeline/picture.py": "the README",
    "jobs/imported_hub.py": "a download",
    "jobs/models_hub.py": "a download",
    "training/cache.py": "an unfinished cache, thrown away",
    "training/cache_files.py": "a stale cache, thrown away, and its lock",
    "training/train.py": "checkpoints of a training that is committed",
}
#: Weights that tests and the demo build.
FOLDERS = ("jobs/tiny/", "jobs/editors/")
CHANGES = {
    "write_bytes", "write_text", "unlink", "mkdir", "rename", "symlink_to", "hardlink_to", "touch",
    "rmtree", "copyfile", "copytree", "move", "copy2", "makedirs", "removedirs", "truncate",
    "fsync", "link", "symlink", "remove", "rmdir", "writev", "pwrite", "mkdtemp", "ftruncate",
}  # fmt: skip
#: Names of other things, or of our own module.
OURS = ("disk.system", "system", "self", "rows", "todo", "left", "said", "ready")


def changes(path: Path) -> Iterator[str]:
    """Calls in a source file that change files, by the name they go by."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        owner, _, name = called.rpartition(".")
        if name == "open" and owner in ("", "os"):
            mode = [ast.unparse(one) for one in node.args[1:2]]
            if any(letter in str(mode) for letter in ("w", "a", "x", "+", "O_WRONLY")):
                yield f"{called}({', '.join(mode)})"
        elif (name == "replace" and owner == "os") or (
            name in CHANGES and owner not in ("", *OURS)
        ):
            yield called


def sources() -> list[Path]:
    return sorted(path for package in ("pipeline", "jobs", "training")
                  for path in (ROOT / package).rglob("*.py"))  # fmt: skip


def test_nothing_else_changes_files() -> None:
    strays = {}
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if name == "pipeline/disk.py" or name in ELSEWHERE or name.startswith(FOLDERS):
            continue
        if found := list(changes(path)):
            strays[name] = found
    assert strays == {}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_exception_is_still_needed(name: str) -> None:
    assert list(changes(ROOT / name)), f"{name} does without: take it off the list"


@pytest.mark.parametrize(
    "line", ["open(p, 'w')", "os.replace(a, b)", "p.unlink()", "shutil.rmtree(p)", "os.link(a, b)"]
)
def test_a_stray_is_noticed(tmp_path: Path, line: str) -> None:
    (tmp_path / "stray.py").write_text(f"import os, shutil\n{line}\n")
    assert list(changes(tmp_path / "stray.py"))
