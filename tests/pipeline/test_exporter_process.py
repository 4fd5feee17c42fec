"""`palimpsest exporter` as a process: what it says first, what it serves, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import metrics
from pipeline.code import ROOT
from pipeline.config import Config
from pipeline.shards import RunFolder
from pipeline.writer import Writer
from tests.pipeline import exposition

COMMAND = [sys.executable, "-m", "pipeline.cli", "exporter"]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
URL = re.compile(r"on http://127\.0\.0\.1:(\d+)/metrics$")


@contextmanager
def exporter(*args: object) -> Iterator[tuple[subprocess.Popen[str], list[str], int]]:
    """The process, its first two lines, and its port."""
    with subprocess.Popen([*COMMAND, *map(str, args), "--port", "0"], text=True, env=ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          preexec_fn=_hears_ctrl_c) as found:  # fmt: skip
        assert found.stdout is not None
        try:
            lines = [found.stdout.readline().rstrip() for _ in range(2)]
            match = URL.search(lines[0])
            assert match, lines
            yield found, lines, int(match[1])
        finally:
            found.kill()


def _hears_ctrl_c() -> None:
    """Also where the tests were started in the background, which is told to ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def call(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, env=ENV,
                          check=False, timeout=60)  # fmt: skip


def commit(run: RunFolder, config: Config, shard: int) -> None:
    facts = {"config": "c", "code": "", "model": "", "seeds": ""}
    with Writer(run, "ingest", shard) as writer:
        rejected = [{"key": key, "reason": "missing-file"} for key in config.keys(shard)]
        writer.commit(config.keys(shard), rejected, {}, facts, {"seconds": 1.0})


def test_it_says_what_it_serves_where_and_goes_with_the_run(
    run: RunFolder, standin: Config
) -> None:
    commit(run, standin, 0)
    with exporter(run.path) as (_, lines, port):
        assert f"serving the runs in {run.path} on http://127.0.0.1:{port}/metrics" in lines[0]
        assert "of 1 runs, read in" in lines[1]
        found = exposition.scrape(port)
        assert found.one(metrics.RUN_SAMPLES, outcome="missing-file") == 8
        assert found.one(metrics.BUILD) == 1  # of the exporter itself
        exposition.lint(found)
        commit(run, standin, 1)
        assert exposition.scrape(port).one(metrics.RUN_SAMPLES, outcome="missing-file") == 16


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_it_is_told_to(run: RunFolder, number: signal.Signals) -> None:
    with exporter(run.path) as (process, _, port):
        exposition.scrape(port)
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 5
        assert process.stdout is not None and process.stdout.read() == ""


def test_once_prints_what_programs_read(run: RunFolder, standin: Config) -> None:
    for shard in range(2):
        commit(run, standin, shard)
    run.manifest_path("ingest", 1).write_text("damaged")
    done = call(run.path, "--once")
    assert done.returncode == 0 and "left out of the metrics" in done.stderr
    found = exposition.Exposition(done.stdout)
    assert found.one(metrics.RUN_SAMPLES, outcome="missing-file") == 8
    exposition.lint(found)


def test_once_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    done = call(tmp_path, tmp_path / "none", "--once")
    assert done.returncode == 78 and done.stdout == ""
    assert f"palimpsest: no run in {tmp_path}, {tmp_path / 'none'}: give" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_of_runs_may_be_empty(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "runs").mkdir()
    with exporter(tmp_path / "runs") as (_, lines, port):
        assert f"{tmp_path / 'runs'} is no run and holds none yet" in lines[1]
        run.path.rename(tmp_path / "runs" / "new")
        assert exposition.scrape(port).by(metrics.RUN_INFO, "run") == {("new",): 1}


@pytest.mark.parametrize("args, says", [
    (("--port", "TAKEN"), "metrics cannot be served on port TAKEN of 127.0.0.1 (Address already"),
    (("--port", "70000"), "metrics cannot be served on port 70000 of 127.0.0.1 ("),
    (("--address", "203.0.113.7", "--port", "0"), "on port 0 of 203.0.113.7 (Cannot assign"),
])  # fmt: skip
def test_a_port_that_cannot_be_had_is_one_sentence(
    run: RunFolder, args: tuple[str, ...], says: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = call(run.path, *(arg.replace("TAKEN", port) for arg in args))
    assert done.returncode == 78, done.stderr
    assert says.replace("TAKEN", port) in done.stderr and done.stderr.count("\n") == 1
    assert done.stderr.endswith("--port\n")


def test_many_ask_at_once(run: RunFolder, standin: Config) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for shard in range(3):
        commit(run, standin, shard)
    with exporter(run.path) as (_, _, port), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: exposition.scrape(port), range(24)))
    counted = {tuple(sorted(one.by(metrics.RUN_SAMPLES, "stage", "outcome"))) for one in answers}
    assert len(answers) == 24 and len(counted) == 1
