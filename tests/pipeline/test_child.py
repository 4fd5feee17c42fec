"""A stage as a process: it ends with its executor, hears no Ctrl-C, and leaves its last words."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess as Process
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from pipeline import child, config, dag
from pipeline.child import Child, preloads, stop
from pipeline.code import ROOT
from pipeline.errors import TransientError
from tests.processes import living

DATA = ROOT / "tests" / "data"

#: A stage; what it does is its first argument.
STAGE = """
import os, signal, sys, time
from pipeline.errors import ConfigError

def main(argv):
    print("pid", os.getpid(), flush=True)
    if argv[0] == "sleep":
        time.sleep(60)
    if argv[0] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(60)
    if argv[0] == "unknown":
        raise ConfigError("unknown key")
    if argv[0] == "bug":
        raise ValueError("the bug")
    if argv[0] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return 0
"""
#: An executor of one stage, with the libraries it wants preloaded.
EXECUTOR = """
import sys, time
from pathlib import Path
from pipeline.child import Child, stop
from pipeline.errors import guard

def main(argv):
    child = Child("a_stage", ["sleep"], 0, Path(argv[0]), argv[1:])
    try:
        time.sleep(60)
    finally:
        stop([child])

if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_stage.py").write_text(STAGE)
    (tmp_path / "executor.py").write_text(EXECUTOR)
    (tmp_path / "slow.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(2)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in child.ENVIRONMENT:  # restored afterwards
        monkeypatch.setenv(name, child.ENVIRONMENT[name])


def start(folder: Path, *what: str) -> Child:
    return Child("a_stage", list(what), 0, folder / "log", [])


def said(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert what()


def executor(folder: Path, *preload: str) -> subprocess.Popen[str]:
    """In a session of its own, like a terminal's foreground job."""
    pipe = subprocess.PIPE
    command = [sys.executable, str(folder / "executor.py"), str(folder / "log"), *preload]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
                            preexec_fn=_hear)  # fmt: skip


def _hear() -> None:
    """A shell that starts us in the background has us ignore Ctrl-C, and we pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_a_stage_ends_when_its_executor_is_killed_outright(tmp_path: Path) -> None:
    log = tmp_path / "log.log"
    with executor(tmp_path) as parent:
        until(lambda: "pid" in said(log))
        stage = int(log.read_text().split()[1])
        assert stage in living(parent.pid)
        parent.kill()
        parent.wait()
    until(lambda: not living(parent.pid), 5)


@needs_proc
@pytest.mark.parametrize("preload", ["slow", ""])
def test_ctrl_c_is_for_the_executor_alone(tmp_path: Path, preload: str) -> None:
    """Be it while the server imports or while a stage works: one sentence, and nobody is left."""
    log = tmp_path / "log.log"
    with executor(tmp_path, *filter(None, [preload])) as parent:
        assert parent.stdout is not None
        if preload:
            assert parent.stdout.readline() == "importing\n"
        else:
            until(lambda: "pid" in said(log))
            os.kill(int(said(log).split()[1]), signal.SIGINT)
            time.sleep(0.3)  # in which it would say so
        os.killpg(parent.pid, signal.SIGINT)
        error = parent.communicate(timeout=20)[1]
    again = "run the same command again to go on from here"
    assert (parent.returncode, error) == (130, f"palimpsest: interrupted; {again}\n")
    heard = "" if preload else f"palimpsest: stopped by SIGTERM; {again}\n"
    assert said(log).partition("\n")[2] == heard
    until(lambda: not living(parent.pid), 5)


def test_stop_asks_first_and_insists_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE", 1.0)
    (tmp_path / "other").mkdir()
    willing, deaf = start(tmp_path, "sleep"), start(tmp_path / "other", "deaf")
    until(lambda: "pid" in said(willing.log) and "deaf" in said(deaf.log))
    stop([willing, deaf])
    assert (willing.poll(), deaf.poll()) == (75, -signal.SIGKILL)
    assert willing.last_words(75).startswith("palimpsest: stopped by SIGTERM")


def test_the_last_words_are_those_of_this_attempt(tmp_path: Path) -> None:
    for what, code, words in [
        ("unknown", 78, r"palimpsest: unknown key"),
        ("bug", 1, r"pid \d+\nTraceback (?s:.*)\nValueError: the bug"),
        ("killed", -signal.SIGKILL, r"pid \d+"),
    ]:
        ended = start(tmp_path, what)
        until(lambda ended=ended: ended.poll() is not None)  # type: ignore[misc]
        assert ended.poll() == code
        assert re.fullmatch(words, ended.last_words(code))


@pytest.mark.parametrize("kills", [2, child.SERVERS])
def test_a_fork_server_that_is_killed_meanwhile_costs_a_try(
    tmp_path: Path, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it has told of the process it forked; sooner or later it is no accident."""
    tries = iter(range(kills))

    def begin(process: Process) -> None:
        if next(tries, None) is not None:
            server = forkserver._forkserver  # type: ignore[attr-defined]
            os.kill(server._forkserver_pid, signal.SIGKILL)
            raise EOFError("unexpected EOF")
        BaseProcess.start(process)

    monkeypatch.setattr(Process, "start", begin)
    if kills < child.SERVERS:
        ended = start(tmp_path, "ok")
        until(lambda: ended.poll() is not None)
        assert ended.poll() == 0
    else:
        with pytest.raises(TransientError, match="killed again and again"):
            start(tmp_path, "ok")


def test_a_sentence_is_found_below_what_others_said_after_it(tmp_path: Path) -> None:
    ended = start(tmp_path, "nothing")
    until(lambda: ended.poll() is not None)
    with open(ended.log, "a") as log:
        log.write("palimpsest: batch: too few\nTraceback\nRuntimeError: connection closed\n")
    assert ended.last_words(78) == "palimpsest: batch: too few"
    assert ended.last_words(1).endswith("RuntimeError: connection closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("what", "code"), [("nothing", 75), ("unknown", 75)])
def test_a_log_on_a_full_disk_ends_as_transient(tmp_path: Path, what: str, code: int) -> None:
    (tmp_path / "log.log").symlink_to("/dev/full")
    ended = start(tmp_path, what)
    until(lambda: ended.poll() is not None)
    assert ended.poll() == code


def test_a_log_that_cannot_be_opened_has_a_code_too(tmp_path: Path) -> None:
    (tmp_path / "log.log").mkdir()
    ended = start(tmp_path, "nothing")
    until(lambda: ended.poll() is not None)
    assert (ended.poll(), ended.last_words(78)) == (78, "")


def test_torch_is_preloaded_only_for_those_who_use_it() -> None:
    light = preloads(dag.dag(config.load(str(DATA / "standin.yaml"))))
    heavy = preloads(dag.dag(config.load("demo")))
    assert set(heavy) - set(light) == {"jobs.preload_editors", "training.preload_detectors"}
    code = "import importlib, sys; [importlib.import_module(one) for one in sys.argv[1:]]; "
    code += "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, *light], check=True)


def test_stages_of_torchrun_are_not_forked_and_need_no_preload() -> None:
    stages = dag.dag(config.load("demo"))
    trains = [stage for stage in stages if stage.processes]
    assert trains and preloads(trains) == []
