"""Every failure has its exit code and, where one sentence says it all, that sentence."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import errors

LIMITED = """
import resource, sys
from pathlib import Path
from pipeline.errors import guard
from pipeline.shards import RunFolder, Writer
def main(argv):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    with Writer(RunFolder(Path(argv[0])), "edit", 0) as writer:
        for i in range(50):
            writer.add(f"{i:08d}", [("a.json", b"x" * 100)])
        writer.commit([f"{i:08d}" for i in range(50)], [], {},
                      dict(config="", code="", model="", seeds=""), {})
    return 0
sys.exit(guard(main, sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (errors.ConfigError("key x"), 78, "key x"),
        (errors.InputError("file y"), 78, "file y"),
        (errors.NotReady("later"), 75, "later"),
        (errors.SuspectNodeError("xid"), 76, "xid"),
        (OSError(errno.ENOSPC, "No space left on device", "/run/a"), 75, "/run/a"),
        (OSError(errno.EIO, "Input/output error"), 75, "run the same command again"),
        (OSError(errno.EROFS, "Read-only file system", "/run"), 78, "choose one"),
        (KeyboardInterrupt(), 130, "run the same command again"),
        (errors.PalimpsestError("bug"), 1, ""),
        (RuntimeError("bug"), 1, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, says: str) -> None:
    found, sentence = errors.explain(error)
    assert found == code
    assert says in sentence and (bool(sentence) == bool(says))


def test_guard_prints_the_sentence_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str]) -> int:
        raise errors.ConfigError(f"unknown key {argv[0]}")

    assert errors.guard(main, ["colour"]) == 78
    assert capsys.readouterr().err == "palimpsest: unknown key colour\n"


def test_guard_shows_a_bugs_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert errors.guard(lambda argv: 1 // 0, []) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_file_that_cannot_grow_ends_as_transient_and_leaves_nothing(tmp_path: Path) -> None:
    """The stand-in for a full disk that needs no rights: a limit on the size of files."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 75, done.stderr
    assert "edit-00000-" in done.stderr and "finished shards are kept" in done.stderr
    assert list((tmp_path / "staging").iterdir()) == []
    assert list((tmp_path / "shards" / "edit").iterdir()) == []
