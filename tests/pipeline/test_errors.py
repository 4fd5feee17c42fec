"""Every failure has its exit code and, where one sentence says it all, that sentence."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import errors, events

LIMITED = """
import resource, sys
from pathlib import Path
from pipeline.errors import guard
from pipeline.shards import RunFolder
from pipeline.writer import Writer
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
        (OSError(errno.EROFS, "Read-only file system", "/run"), 78, "one that can be written"),
        (
            OSError(errno.EACCES, "Permission denied"),
            78,
            "denied: choose one that you may use, or do",
        ),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), 78, "choose a shorter path"),
        (OSError(errno.ELOOP, "Too many levels", "/run"), 78, "/run: choose a path whose links"),
        (OSError(errno.EISDIR, "Is a directory", "/run"), 78, "/run: choose a path"),
        (OSError(errno.EEXIST, "File exists", "/run"), 78, "/run: choose another path"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 75, "local.workers"),
        (OSError(errno.ENOENT, "No such file or directory", "/run/a"), 1, ""),
        (MemoryError(), 75, "fewer local.workers"),
        (errors.Stopped(), 75, "stopped by SIGTERM; run the same command again"),
        (KeyboardInterrupt(), 130, "run the same command again"),
        (errors.PalimpsestError("bug"), 1, ""),
        (RuntimeError("bug"), 1, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, says: str) -> None:
    found, sentence = errors.explain(error)
    assert found == code
    assert says in sentence and (bool(sentence) == bool(says)) and "None" not in sentence


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


def test_a_process_that_was_killed_may_be_tried_again() -> None:
    assert errors.outcome(0) == (0, "") and errors.outcome(78) == (78, "")
    code, sentence = errors.outcome(-signal.SIGKILL)
    assert code == 75 and "killed by SIGKILL" in sentence and "fewer local.workers" in sentence
    code, sentence = errors.outcome(-signal.SIGHUP)
    assert code == 75 and "killed by SIGHUP" in sentence and "memory" not in sentence
    assert "killed by signal 40" in errors.outcome(-40)[1]


def end(
    body: str, stdout: int | Path = subprocess.PIPE, stderr: int | Path = subprocess.PIPE
) -> tuple[int, str]:
    """The exit code, and what stderr got, of a program whose guarded main has this body."""
    code = f"""
import os, signal, sys
from pipeline.errors import ConfigError, guard
def main(argv):
    {body}
    return 0
sys.exit(guard(main, []))
"""
    out, err = (os.open(one, os.O_WRONLY) if isinstance(one, Path) else one
                for one in (stdout, stderr))  # fmt: skip
    env = os.environ | {
        "PYTHONUNBUFFERED": ""
    }  # printed only when the buffer is full, or at the end
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=out, stderr=err, text=True, check=False, env=env
    )
    for one in {out, err} - {subprocess.PIPE}:
        os.close(one)
    return done.returncode, done.stderr


FULL = Path("/dev/full")
full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@full
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("print('done')", 75),
        ("print('done', flush=True)", 75),
        ("print('x'); raise ConfigError('key x')", 78),
        ("print('x'); raise ValueError('bug')", 1),
        ("print('x'); raise KeyboardInterrupt", 130),
    ],
)
def test_the_code_stands_where_nothing_can_be_printed(body: str, code: int) -> None:
    assert end(body, FULL, FULL)[0] == code


@full
def test_what_could_not_be_printed_is_told_where_it_can_be() -> None:
    code, said = end("print('done')", stdout=FULL)
    assert code == 75 and said.startswith("palimpsest: No space left on device: make room")


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    read, write = os.pipe()
    os.close(read)
    assert end("print('a table')", stdout=write) == (0, "")


def test_sigterm_ends_as_transient_and_passes_whatever_survives_any_fault() -> None:
    """Once: another one while the first is tidied up after changes nothing."""
    body = """
    try:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            print("survived", file=sys.stderr)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("tidied up", file=sys.stderr)
"""
    sentence = "palimpsest: stopped by SIGTERM; run the same command again to go on from here\n"
    assert end(body.strip()) == (75, f"tidied up\n{sentence}")


def test_a_rank_of_torchrun_leaves_sigterm_to_its_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert end("os.kill(os.getpid(), signal.SIGTERM)") == (-signal.SIGTERM, "")


def test_guard_leaves_the_signal_as_it_was_and_works_off_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert errors.guard(lambda argv: 3, []) == 3
    assert signal.getsignal(signal.SIGTERM) is before
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(errors.guard(lambda argv: 4, [])))
    thread.start()
    thread.join()
    assert codes == [4]


@pytest.fixture
def speaker() -> Iterator[None]:
    yield
    events.speak_for({}, "human")


def test_a_failure_is_an_event_and_its_sentence_the_pods_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    speaker: None,
) -> None:  # fmt: skip
    monkeypatch.setattr(errors, "TERMINATION_LOG", str(tmp_path / "log"))
    (tmp_path / "log").write_text("of an attempt before, and longer than this one's sentence")

    def main(argv: list[str]) -> int:
        events.speak_for({"run": "r1", "stage": "ingest"}, "json")
        raise errors.ConfigError("unknown key\nstage: done \x1b[2J")

    assert errors.guard(main, []) == 78
    said = capsys.readouterr()
    event = json.loads(said.out)
    assert (event["event"], event["level"], event["exit_code"]) == ("failed", "error", 78)
    assert event["stage"] == "ingest"
    assert said.err == "palimpsest: unknown key\\nstage: done \\x1b[2J\n"
    assert (tmp_path / "log").read_text() == "unknown key\\nstage: done \\x1b[2J"


def test_a_bug_in_json_is_one_line_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    speaker: None,
) -> None:  # fmt: skip
    monkeypatch.setattr(errors, "TERMINATION_LOG", str(tmp_path / "log"))
    (tmp_path / "log").touch()
    events.speak_for({"stage": "ingest"}, "json")
    assert errors.guard(lambda argv: 1 // 0, []) == 1
    said = capsys.readouterr()
    assert said.err == "" and "ZeroDivisionError" in json.loads(said.out)["traceback"]
    assert (tmp_path / "log").read_text().endswith("ZeroDivisionError: integer division or modulo "
                                                   "by zero\n")  # fmt: skip


def test_no_termination_log_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "TERMINATION_LOG", str(tmp_path / "log"))
    assert errors.guard(lambda argv: 1 // 0, []) == 1
    assert not (tmp_path / "log").exists()
