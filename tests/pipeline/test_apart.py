"""A call in another process: whatever it does to that process, its caller goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import other
from pipeline.apart import Apart, Ended
from pipeline.code import ROOT
from pipeline.errors import TransientError
from pipeline.other import TRIES
from tests.pipeline import ends
from tests.processes import living

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what()


def test_calls_are_answered_by_one_process_that_is_kept() -> None:
    with Apart(ends.process) as process:
        found = {process() for _ in range(3)}
    assert len(found) == 1 and os.getpid() not in found
    with pytest.raises(ProcessLookupError):
        os.kill(found.pop(), 0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("fault", "was ended by SIGSEGV"), ("abort", "was ended by SIGABRT"),
        ("SIGBUS", "was ended by SIGBUS"), ("SIGKILL", "was ended by SIGKILL"),
        ("exit", "ended with exit code 3"), ("leave", "ended with exit code 0"),
        ("loop", "took more than 1 s"),
    ],
)  # fmt: skip
def test_what_ends_the_process_costs_the_call(how: str, said: str) -> None:
    with Apart(ends.end, seconds=1) as end:
        with pytest.raises(Ended) as found:
            end(how)
        assert str(found.value) == said
        end.function = ends.echo  # type: ignore[assignment]
        assert end("again") == "again"  # type: ignore[func-returns-value]


def test_who_does_nothing_at_all_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other, "PATIENCE", 1)
    with Apart(ends.end, seconds=1) as end, pytest.raises(Ended, match="gave no answer for 1 s"):
        end("sleep")


@pytest.mark.parametrize(("how", "tries"), [("fault", 1), ("SIGKILL", TRIES)])
def test_what_ends_a_fresh_process_is_the_calls_own_unless_somebody_kills(
    how: str, tries: int, tmp_path: Path
) -> None:
    with Apart(ends.end) as end, pytest.raises(Ended):
        end(how, tmp_path / "calls")
    assert len((tmp_path / "calls").read_text().splitlines()) == tries


def test_a_process_that_was_killed_meanwhile_is_no_fault_of_the_call(tmp_path: Path) -> None:
    with Apart(ends.end_once) as end:
        first = end("SIGKILL", tmp_path / "one")
        os.kill(first, signal.SIGKILL)  # it waits for the next call
        assert end("", tmp_path / "one") != first


def test_a_machine_that_starts_no_process_is_not_the_calls_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Apart(ends.echo) as echo:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(TransientError, match="ended with exit code 1 before it began: run the"):
            echo("a")
        monkeypatch.undo()
        assert echo("a") == "a"


def test_what_an_earlier_call_has_broken_costs_no_other() -> None:
    with Apart(ends.damage) as damage:
        assert [damage(call) for call in "abc"] == ["a", "b", "c"]


@pytest.mark.parametrize("how", ["value", "disk", "memory", "end", "line"])
def test_what_the_call_raises_is_raised(how: str) -> None:
    with pytest.raises(Exception) as known:
        ends.fail(how)
    with Apart(ends.fail) as fail, pytest.raises(type(known.value)) as found:
        fail(how)
    assert found.value.args == known.value.args and str(found.value) == str(known.value)
    assert "in fail" in found.value.__notes__[0]


def test_what_cannot_be_sent_is_said_with_its_traceback() -> None:
    with Apart(ends.fail) as fail, pytest.raises(RuntimeError, match="Odd: 1 and 2"):
        fail("odd")
    with Apart(ends.closure) as closure, pytest.raises(Exception, match="closure.<locals>"):
        closure()


def test_large_arrays_come_and_go_whole() -> None:
    large = np.random.default_rng(1).integers(0, 256, (64, 1 << 20), np.uint8)
    small = np.arange(6).reshape(2, 3).T
    with Apart(ends.echo) as echo:
        got = echo([large, {"small": small, "none": np.zeros((0, 4))}, bytes(9)])
    assert np.array_equal(got[0], large) and np.array_equal(got[1]["small"], small)
    assert got[1]["none"].shape == (0, 4) and got[2] == bytes(9)


def test_several_work_side_by_side_and_answer_in_order() -> None:
    with Apart(ends.process, 3) as process:
        begun = [answer() for answer in process.each(() for _ in range(7))]
    assert len(set(begun)) == 3 and begun == [*begun[:3], *begun[:3], begun[0]]
    read: list[int] = []

    def calls() -> Any:
        for number in range(5):
            read.append(number)
            yield (number,)

    with Apart(ends.echo, 2) as echo:
        for number, answer in enumerate(echo.each(calls())):
            assert answer() == number and len(read) <= number + 3


def test_one_of_several_calls_may_fail() -> None:
    hows = ("", "fault", "value", "SIGABRT", "")
    with Apart(ends.end, 2) as end:
        found = [_said(answer) for answer in end.each((how,) for how in hows)]
    assert found == ["", "was ended by SIGSEGV", "too few", "was ended by SIGABRT", ""]


def _said(answer: Callable[[], None]) -> str:
    try:
        answer()
    except (Ended, ValueError) as error:
        return str(error)
    return ""


def test_an_answer_that_nobody_took_is_not_taken_for_another() -> None:
    with Apart(ends.echo, 2) as echo:
        each = echo.each((number,) for number in range(9))
        assert next(each)() == 0
        each.close()  # type: ignore[attr-defined]
        assert echo("next") == "next"


@needs_proc
def test_nothing_is_left_open(tmp_path: Path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    for how in ("fault", "SIGKILL"):
        with Apart(ends.end, 2) as end, pytest.raises(Ended):
            end(how)
    assert opened() == before


def test_it_hears_neither_ctrl_c_nor_sigterm_and_leaves_no_core() -> None:
    with Apart(ends.process) as process:
        pid = process()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert process() == pid
    with Apart(ends.limits) as limits:
        assert limits() == (0, 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


PARENT = """
import sys
from pipeline.apart import Apart
from tests.pipeline import ends
with Apart(ends.process) as apart:
    print(apart(), flush=True)
    apart.function = ends.end
    apart(*sys.argv[1:]) if sys.argv[1:] else sys.stdin.read()
"""


@needs_proc
@pytest.mark.parametrize("how", ["loop", ""])
def test_nobody_is_left_when_the_caller_is_killed_outright(how: str) -> None:
    """Be it at work, in a loop that nothing ends, or waiting."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PARENT, *filter(None, [how])]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, env=env, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.1)
        assert child in living(parent.pid)
        parent.kill()
        parent.wait()
        until(lambda: not living(parent.pid))


def test_the_other_process_imports_next_to_nothing() -> None:
    code = "import sys, pipeline.serve, jobs.cut, jobs.imported_pairs, training.predict_pictures\n"
    code += "heavy = {'numpy', 'PIL', 'pydantic', 'torch', 'pyarrow', 'multiprocessing'}\n"
    code += "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
