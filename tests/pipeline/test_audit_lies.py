"""An orchestrator that lies, of every stage of a run: done without output, gone after the commit,
failed though committed. The audit finds each, and the local executor believes none."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import local
from pipeline.audit import audit
from pipeline.code import ROOT
from pipeline.dag import checked
from pipeline.errors import BUG, OK, PERMANENT, TRANSIENT
from pipeline.shards import RunFolder
from pipeline.stage import Stage, read_run
from tests.faults.counts import seed

pytestmark = pytest.mark.slow
PROFILE = ROOT / "tests" / "data" / "standin.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("lies") / "run"
    command = [sys.executable, "-m", "tests.faults.in_order", str(PROFILE), str(out), "0"]
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    return RunFolder(out)


@pytest.fixture(scope="module")
def stages(run: RunFolder) -> tuple[Stage, ...]:
    return checked(read_run(run.path))


@contextmanager
def without(*paths: Path) -> Iterator[None]:
    """Files that are not there for a while."""
    for path in paths:
        path.rename(path.with_name(f"away-{path.name}"))
    try:
        yield
    finally:
        for path in paths:
            path.with_name(f"away-{path.name}").rename(path)


def test_every_stage_that_is_said_to_be_done(
    run: RunFolder, stages: tuple[Stage, ...], said: Callable[[str], None]
) -> None:
    config, draw, found = read_run(run.path), random.Random(seed()), Counter[str]()
    for stage in stages:
        shards = stage.shards(config)
        shard = draw.choice(shards)
        manifest = run.manifest_path(stage.name, shard)
        tar = run.tar(run.manifest(stage.name, shard))
        gone = f"{stage.name} shard {shard:05d} is not committed"
        for paths in ((manifest, tar), (manifest,)):
            with without(*paths):
                verdict = audit(run.path)
            assert (verdict.exit_code, verdict.missing) == (TRANSIENT, (gone,)), stage.name
            found["done without output"] += 1
        with without(run.datasets / stage.name):
            verdict = audit(run.path)
        assert len(verdict.missing) == len(shards) and gone in verdict.missing
        with without(tar):
            verdict = audit(run.path)
        assert verdict.exit_code == PERMANENT and f"{tar} is gone" in " ".join(verdict.faults)
        found["gone after the commit"] += 1
    assert audit(run.path).exit_code == OK
    assert found["gone after the commit"] == len(stages)
    each = ", ".join(f"{n} times {lie}" for lie, n in found.items())
    said(f"lies about {len(stages)} stages, {each}: the audit found each")


class Ended:
    """A process that has ended, with this code."""

    seconds, log = 0.0, Path("the.log")

    def __init__(self, exitcode: int) -> None:
        self.exitcode = exitcode

    def poll(self) -> int:
        return self.exitcode

    def share(self) -> float:
        return 1.0

    def last_words(self, code: int) -> str:
        return "a lie"


class Orchestrated:
    """A run of the local executor whose processes take their shards from a finished one. They end
    with what `code` says of their stage; those of `idle` have committed nothing."""

    def __init__(self, finished: RunFolder, out: Path) -> None:
        self.config, self.finished, self.run = read_run(finished.path), finished, RunFolder(out)
        self.stages = checked(self.config)
        self.code: Callable[[str], int] = lambda name: OK
        self.idle, self.started = "", Counter[str]()
        self.works: dict[tuple[str, ...], tuple[Stage, tuple[int, int]]] = {}
        named = {stage.name: stage for stage in self.stages}
        for task in local.tasks(self.stages, self.config):
            stage = named[task.name]
            part = task.partition if stage.scope == "shard" else None
            self.works[(stage.module, *stage.argv(out, part))] = (stage, task.partition)
        out.mkdir()
        shutil.copyfile(finished.path / "config.yaml", out / "config.yaml")

    def child(self, module: str, argv: list[str], *_: object) -> Ended:
        stage, part = self.works[(module, *argv)]
        self.started[f"{stage.name} {part}"] += 1
        for shard in stage.shards(self.config, part) if stage.name != self.idle else ():
            there = self.run.datasets / stage.name
            there.mkdir(parents=True, exist_ok=True)
            tar = self.finished.tar(self.finished.manifest(stage.name, shard))
            for path in (tar, self.finished.manifest_path(stage.name, shard)):
                shutil.copyfile(path, there / path.name)
        return Ended(self.code(stage.name))

    def execute(self) -> int:
        return local.Executor(self.stages, self.config, self.run).run()[0]


@pytest.fixture
def orchestrated(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orchestrated:
    found = Orchestrated(run, tmp_path / "run")
    monkeypatch.setattr(local, "Child", found.child)
    monkeypatch.setattr(local, "stop", lambda children: None)
    monkeypatch.setattr(local.time, "sleep", lambda seconds: None)
    return found


def test_what_is_said_to_be_done_is_not_believed_by_the_executor(
    orchestrated: Orchestrated, run: RunFolder
) -> None:
    """It stops at each stage in turn; the next run goes on from there."""
    for stage in orchestrated.stages:
        orchestrated.idle = stage.name
        assert orchestrated.execute() == BUG, stage.name
        verdict = audit(orchestrated.run.path)
        assert verdict.exit_code == TRANSIENT
        assert f"{stage.name} shard 00000 is not committed" in verdict.missing
    orchestrated.idle = ""
    assert orchestrated.execute() == OK
    assert audit(orchestrated.run.path).digest == audit(run.path).digest


@pytest.mark.parametrize("code", [TRANSIENT, PERMANENT])
def test_what_is_said_to_have_failed_is_not_made_twice(
    orchestrated: Orchestrated, run: RunFolder, code: int
) -> None:
    """Each stage commits, and ends as if it had not: the executor tries again, or is told to, and
    finds it done."""
    orchestrated.code = lambda name: code
    ends = [orchestrated.execute()]
    while ends[-1] != OK:
        assert ends[-1] == code and len(ends) <= len(orchestrated.works)
        ends.append(orchestrated.execute())
    assert len(ends) == 1 if code == TRANSIENT else len(ends) > len(orchestrated.stages) / 2
    assert set(orchestrated.started.values()) == {1}
    assert len(orchestrated.started) == len(orchestrated.works)
    verdict = audit(orchestrated.run.path)
    assert (verdict.exit_code, verdict.digest) == (OK, audit(run.path).digest)
