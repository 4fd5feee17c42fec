"""A download that takes long says what it is at, and never more than has arrived."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs import arrivals
from jobs.arrivals import Arrivals
from pipeline import events
from pipeline.cards import card
from pipeline.errors import OK, TRANSIENT
from tests.jobs.hub import PART, Hub

ROOT = Path(__file__).parents[2]
(REPO,) = card("editors", "sdxl").repos
COMMIT = "a" * 40
#: A fetch pod that speaks more often.
POD = """
import sys
from jobs import arrivals, fetch
from pipeline.errors import guard
arrivals.EVERY = 0.1
sys.exit(guard(fetch.main, sys.argv[1:]))
"""
FILES = {"model_index.json": b"{}", "unet/model.safetensors": b"x" * (2 * PART + 4000),
         "vae/model.safetensors": bytes(10_000), "vae/empty.txt": b""}  # fmt: skip


def pod(folder: Path, hub: Hub, logs: str) -> subprocess.Popen[str]:
    """A fetch pod against the served hub."""
    (folder / "mine.yaml").write_text(
        f"profile: mine\nsamples: 4\nfamilies: {{sdxl: 1, heal: 2}}\nlocal: {{logs: {logs}}}\n"
        f"editing: {{folder: {folder / 'models'}}}\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", POD, "--family=sdxl", f"--config={folder / 'mine.yaml'}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1",
             "HF_HOME": str(folder / "hf")},
    )  # fmt: skip


def fetched(folder: Path, hub: Hub, logs: str) -> tuple[int, list[str]]:
    """Exit code and lines of a fetch pod that is left to end."""
    with pod(folder, hub, logs) as process:
        said, _ = process.communicate()
    return process.returncode, said.splitlines()


def test_each_file_is_told_as_it_begins_and_then_how_far_all_are(tmp_path: Path) -> None:
    with Hub(REPO, {COMMIT: dict(FILES)}, pause=0.4).serving() as hub:
        code, lines = fetched(tmp_path, hub, "json")
    said = [json.loads(line) for line in lines]
    assert code == 0 and {one["stage"] for one in said} == {"fetch-sdxl"}
    begun = {one["file"]: one["bytes"] for one in said if one["event"] == "download-file"}
    assert begun == {name: len(data) for name, data in FILES.items()}
    far = [one for one in said if one["event"] == "download-progress"]
    total = sum(map(len, FILES.values()))
    assert len(far) >= 3 and {one["bytes"] for one in far} == {total}
    arrived = [one["arrived"] for one in far]
    assert arrived == sorted(arrived) and 0 < arrived[-1] <= total
    assert any(one["bytes_per_second"] > 0 and one["seconds_to_go"] >= 0 for one in far)
    assert said[-1]["event"] == "stage-finished"


def test_what_an_earlier_try_fetched_is_no_news(tmp_path: Path) -> None:
    """And people read sizes that they can grasp."""
    with Hub(REPO, {COMMIT: dict(FILES)}, damaged=True).serving() as hub:
        code, lines = fetched(tmp_path, hub, "human")
        assert code == 75 and sum(" fetches " in line for line in lines) == 1 + len(FILES)
        hub.damaged, hub.pause = False, 0.4
        code, lines = fetched(tmp_path, hub, "human")
    assert code == 0
    (first,) = [line for line in lines if "4 files" in line]
    assert first.endswith(": 4 files, 0.02 GB, 2 of them are there already"), first
    again = {line.split(" fetches ")[1] for line in lines if " fetches " in line}
    assert {"unet/model.safetensors: 21.0 MB"} <= again
    assert not any(one.startswith(("model_index", "vae/model")) for one in again)
    assert any(re.search(r"MB of 21\.0 MB, .*/s, .* to go$", line) for line in lines)


def test_a_pod_that_is_stopped_waits_for_no_download(tmp_path: Path) -> None:
    with Hub(REPO, {COMMIT: FILES}, pause=60).serving() as hub:
        with pod(tmp_path, hub, "json") as process:
            assert process.stdout is not None
            assert any("download-progress" in line for line in process.stdout)
            begun = time.monotonic()
            process.terminate()
            assert process.wait(timeout=60) == TRANSIENT
            assert time.monotonic() - begun < 10
        assert not any(one.exists() for one in card("editors", "sdxl").folders(tmp_path / "models"))
        hub.pause = 0
        code, lines = fetched(tmp_path, hub, "json")
    assert code == OK and json.loads(lines[-1])["event"] == "stage-finished"


def test_what_is_counted_has_arrived(tmp_path: Path) -> None:
    old = tmp_path / ".cache" / "old.incomplete"
    old.parent.mkdir()
    old.write_bytes(bytes(700))
    (tmp_path / "whole").write_bytes(b"x" * 100)
    (tmp_path / "short").write_bytes(b"x" * 99)
    found = Arrivals(tmp_path, {"whole": 100, "short": 100, "large": 1 << 30})
    assert found.there == {"whole"} and found.arrived() == 199
    new = tmp_path / ".cache" / "new.incomplete"
    with open(new, "wb") as file:
        file.seek(1 << 29)
        file.write(b"the end comes first")
    assert found.arrived() < 1 << 20, "a hole has not arrived"
    new.write_bytes(b"x" * 5000)
    most = found.arrived()
    new.unlink()
    assert found.arrived() == most >= 5199, "on its way to its name a file is not gone"
    (tmp_path / "large").write_bytes(b"x" * 6000)
    assert found.arrived() == 6199


def test_a_download_that_stands_still_is_said_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arrivals, "EVERY", 0.05)
    events.speak_for({"stage": "fetch-sdxl"}, "human")
    with Arrivals(tmp_path, {"one": 3_000_000}) as told:
        told.begins("one")
        time.sleep(0.3)
    first, *rest = [line.split(" fetch-sdxl ")[1] for line in capsys.readouterr().out.splitlines()]
    assert first == "fetches one: 3.0 MB"
    assert set(rest) == {"0 B of 3.0 MB, nothing came of late"} and len(rest) >= 2
