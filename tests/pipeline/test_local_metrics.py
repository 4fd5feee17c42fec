"""`palimpsest run --metrics-port`: what all processes of a run did is served, each thing once, for
as long as the run lasts, and without the option nothing is."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from pipeline import audit, config, live, local, local_metrics, metrics, runs
from pipeline.code import ROOT
from pipeline.config import Config
from pipeline.dag import checked
from pipeline.errors import ConfigError
from pipeline.shards import RunFolder
from pipeline.stage import Stage
from tests import servers
from tests.pipeline import exposition

DATA = ROOT / "tests" / "data"
#: Figures of a process that says who it is, then waits or ends.
SPEAK = """
import sys, time
from pipeline import live, metrics
who = ("r", sys.argv[1], "", "0/1")
live.counter(metrics.SAMPLES, *who, "ok").inc(int(sys.argv[2]))
live.histogram(metrics.PHASE_SECONDS, *who, "read").observe(0.5)
live.gauge(metrics.SHARDS_LEFT, *who).set(3)
live.gauge(metrics.RUNNING, *who).set(1)
live.gauge(metrics.GPU_MEMORY, *who, "H100").set(7)
print("said", flush=True)
if sys.argv[3] == "wait":
    time.sleep(60)
"""


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folders for the time of a run are made; a short path, as sockets' may be no longer
    than 100 letters."""
    with tempfile.TemporaryDirectory(prefix="p-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv(live.FOLDER, raising=False)
        yield Path(folder)


def speak(who: str, number: int, then: str = "end") -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SPEAK, who, str(number), then], text=True,
                               stdout=subprocess.PIPE,
                               env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "said\n"
    return process


def palimpsest(*args: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, args)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


def test_counters_outlive_their_processes_and_lives_do_not(tmp_path: Path, aside: Path) -> None:
    with local_metrics.served(port := servers.free_port(), tmp_path / "run") as ended:
        assert Path(os.environ[live.FOLDER]).parent == aside
        for number in (2, 3):
            with speak("plan", number):
                pass
        with speak("score", 5, "wait") as working:
            found = exposition.scrape(port)
            assert found.by(metrics.SAMPLES, "stage") == {("plan",): 5, ("score",): 5}
            assert found.by(metrics.SHARDS_LEFT, "stage") == {("plan",): 3, ("score",): 3}
            assert found.by(metrics.RUNNING, "stage") == {("score",): 1}
            assert found.by(metrics.GPU_MEMORY, "stage") == {("score",): 7}
            assert 'phase="read",run="r",stage="plan"} 2.0' in found.text  # of the histogram
            exposition.lint(found)
            assert list(aside.glob("*/gauge_live*"))
            working.send_signal(signal.SIGKILL)
        ended()
        assert not list(aside.glob("*/gauge_live*"))
        found = exposition.scrape(port)
        assert found.by(metrics.SAMPLES, "stage") == {("plan",): 5, ("score",): 5}
        assert metrics.RUNNING.name not in found.names()
    assert list(aside.iterdir()) == [] and live.FOLDER not in os.environ
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_a_process_killed_while_it_made_its_file_spoils_nothing(
    tmp_path: Path, aside: Path
) -> None:
    with local_metrics.served(port := servers.free_port(), tmp_path / "run"):
        with speak("plan", 2):
            pass
        (folder,) = aside.iterdir()
        (folder / "counter_999999.db").touch()
        (folder / "gauge_mostrecent_999999.db").write_bytes(bytes(1 << 16))
        assert exposition.scrape(port).by(metrics.SAMPLES, "stage") == {("plan",): 2}


def test_a_child_that_nobody_waited_for_lives_no_more() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + 20
        while local_metrics._lives(child.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert child.returncode is None and not local_metrics._lives(child.pid)
    assert local_metrics._lives(os.getpid()) and local_metrics._lives(1)


def test_what_stands_in_the_folder_is_served_from_when_it_is_begun(
    tmp_path: Path, standin: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    with local_metrics.served(port := servers.free_port(), tmp_path / "run"):
        assert metrics.RUN_INFO.name not in exposition.scrape(port).names()
        runs.begin(standin, DATA / "photos", tmp_path / "run")
        assert exposition.scrape(port).one(metrics.RUN_INFO, run="run") == 1
    assert capsys.readouterr().out == f"metrics on http://127.0.0.1:{port}/metrics\n"


def test_without_a_port_nothing_is_served_or_written(
    tmp_path: Path, aside: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(live.FOLDER, str(tmp_path))  # of somebody else
    with local_metrics.served(None, tmp_path / "run"):
        assert live.FOLDER not in os.environ
        assert list(aside.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("port", ["TAKEN", "70000"])
def test_a_port_that_cannot_be_had_is_said_before_any_work(
    tmp_path: Path, port: str, aside: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = port.replace("TAKEN", str(taken.getsockname()[1]))
        done = palimpsest("run", "--profile", DATA / "standin.yaml", "--photos", DATA / "photos",
                          "--out", "run", "--metrics-port", wanted, folder=tmp_path)  # fmt: skip
        assert done.returncode == 78 and done.stdout == ""
        assert f"metrics cannot be served on port {wanted} of 127.0.0.1 (" in done.stderr
        assert done.stderr.endswith("give another port with --metrics-port\n")
        assert done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ConfigError), local_metrics.served(int(wanted), tmp_path / "run"):
            pass
    assert list(aside.iterdir()) == [] and live.FOLDER not in os.environ


def _count(folder: str) -> None:
    live.write_to(folder)
    live.counter(metrics.STARTS, "r", "s", "", "0/1").inc()


def test_a_forked_process_writes_where_it_is_told(tmp_path: Path) -> None:
    """Its library was imported by the fork server, which may have known nothing of it, or of the
    folder of a run that is over."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prometheus_client"])
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in [*folders, folders[0]]:
        folder.mkdir(exist_ok=True)
        process = context.Process(target=_count, args=(str(folder),))
        process.start()
        process.join()
        assert process.exitcode == 0
    quiet = context.Process(target=_count, args=("",))
    quiet.start()
    quiet.join()
    assert quiet.exitcode == 0
    assert [len(list(folder.glob("counter_*.db"))) for folder in folders] == [2, 1]
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def served_run(
    profile: Config, out: Path
) -> tuple[exposition.Exposition, tuple[Stage, ...], int]:  # fmt: skip
    """A whole run with its metrics, as they were at its very end."""
    stages = checked(profile)
    with local_metrics.served(port := servers.free_port(), out) as ended:
        code = local._run(profile, DATA / "photos", out, stages, "report", ended)
        return exposition.scrape(port), stages, code


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_figures_of_an_undisturbed_run_are_those_of_its_audit(tmp_path: Path) -> None:
    profile = config.load(str(DATA / "standin.yaml")).model_copy(update={"keep_score": 5})
    found, stages, code = served_run(profile, tmp_path / "run")
    assert code == 0
    exposition.lint(found)
    audited = audit.audit(tmp_path / "run")
    counted = exposition.counted(audited)
    sharded = {stage.name for stage in stages if stage.scope == "shard"}
    wanted = {key: n for key, n in counted.items() if key[0] in sharded and n}
    assert found.by(metrics.SAMPLES, "stage", "outcome") == wanted
    assert wanted["score", "low-score"] > 0
    # from the manifests, beside what the processes say
    assert found.by(metrics.RUN_SAMPLES, "stage", "outcome") == counted
    graph = local.tasks(stages, profile)
    tasks = Counter((task.name, "{}/{}".format(*task.partition)) for task in graph)
    assert found.by(metrics.STARTS, "stage", "partition") == tasks
    assert set(found.by(metrics.SHARDS_LEFT, "stage", "partition").values()) == {0}
    assert found.by(metrics.SHARDS, "stage") == found.by(metrics.RUN_SHARDS, "stage")
    assert set(found.by(metrics.RUNNING).values()) <= {0}
    written = found.by(metrics.WRITTEN, "stage")
    assert written == found.by(metrics.RUN_BYTES, "stage")
    assert {"palimpsest_build_info", "palimpsest_stage_batch_size"} <= found.names()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_and_run_again_it_serves_again(tmp_path: Path, aside: Path) -> None:
    """Counters of processes begin anew, those of the folder go on."""
    port = servers.free_port()
    command = [sys.executable, "-m", "pipeline.cli", "run", "--profile",
               str(DATA / "standin.yaml"), "--photos", str(DATA / "photos"),
               "--out", str(tmp_path / "run"), "--metrics-port", str(port)]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(aside)}
    run = RunFolder(tmp_path / "run")
    with (tmp_path / "log").open("wb") as log:
        with subprocess.Popen(command, env=env, stdout=log, stderr=log) as first:
            deadline = time.monotonic() + 120
            while not run.committed("segment", 0) and time.monotonic() < deadline:
                assert first.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
            before = exposition.scrape(port)
            first.send_signal(signal.SIGKILL)
        assert before.one(metrics.SAMPLES, stage="ingest") > 0
        with subprocess.Popen(command, env=env, stdout=log, stderr=log) as second:
            while second.poll() is None:
                try:
                    after = exposition.scrape(port)
                except OSError:
                    time.sleep(0.05)
                else:
                    if metrics.STARTS.name in after.names():
                        break
            assert metrics.SAMPLES.name in before.names()
            assert ("ingest",) not in after.by(metrics.STARTS, "stage")
            assert after.one(metrics.RUN_SAMPLES) >= before.one(metrics.RUN_SAMPLES) > 0
            second.terminate()
            assert second.wait(60) in (0, 75)
    assert len(list(aside.glob("palimpsest-*"))) == 1  # of the one that could not tidy up
