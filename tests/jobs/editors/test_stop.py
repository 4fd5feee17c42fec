"""SIGTERM in the middle of an edit: the process of the stage ends in time and commits nothing."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline import runs
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.errors import OK, TRANSIENT
from pipeline.shards import RunFolder

ROOT = Path(__file__).parents[3]
STAGE = "edit-1-sd2"


def until_edit(config: Config, out: Path) -> RunFolder:
    """A run in which everything before `STAGE` is done."""
    _, run = runs.begin(config, ROOT / "tests" / "data" / "photos", out)
    for stage in dag(config):
        if stage.name == STAGE:
            return run
        assert importlib.import_module(stage.module).main(stage.argv(out)) == OK
    raise AssertionError(f"there is no {STAGE}")


def test_a_stage_that_is_stopped_while_it_denoises(
    tmp_path: Path, tiny_root: Path, configured: Callable[..., Config]
) -> None:
    config = configured(
        samples=2, shard_size=1, families={"sd2": 1}, turns={1: 1.0}, bases={"ai_share": 0},
        editing={"weights": "tiny", "folder": str(tiny_root), "steps": 900, "batch": 1},
    )  # fmt: skip
    run = until_edit(config, tmp_path / "run")
    command = [sys.executable, "-m", "jobs.edit", "--family=sd2", "--turn=1", f"--run={run.path}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if " loaded in " in line:
                break
        time.sleep(0.5)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait() == TRANSIENT, "".join([*said, rest])
        assert time.monotonic() - begun < 10
    assert "stopped by SIGTERM; run the same command again" in rest
    assert not any(run.committed(STAGE, shard) for shard in range(config.shards))
    left = [path.name for path in (run.datasets / STAGE).rglob("*") if path.suffix == ".json"]
    assert left == []
