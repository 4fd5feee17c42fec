"""Real servers: a process of ours in trouble, a Prometheus that scrapes it, an Alertmanager that
tells, routed as docs/alerting.md shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests import servers
from tests.alerts import labels
from tests.alerts.test_alerts import ALERTS, FILES, NAMES, ROOT, promtool, rule
from tests.following import blocks

PAGE = ROOT / "docs" / "alerting.md"
#: A stage that declines all and trains to no number, as the loops measure it, and ends with 78.
PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace as Is

from pipeline import live, metrics
from pipeline.errors import PermanentError, guard
from training.meter import TrainingMeter

def main(argv):
    run = Path(argv[0])
    live.serve(60)
    declined = "r1", "edit-1-sdxl", "sdxl", "0/1", "nan-latents"
    live.counter(metrics.SAMPLES, *declined).inc(24)
    lesson = Is(run=run, stage="train-fcn8s-binary", trial=Is(detector="fcn8s", task="binary"),
                recipe=Is(batch=8, steps=100))
    meter = TrainingMeter(lesson, True)
    meter.step(1, 0.7, 1e-3, 1.0, 0.1)
    print("ready", flush=True)
    sys.stdin.readline()
    meter.step(2, float("nan"), 1e-3, 2.0, 0.2)
    raise PermanentError("the loss is nan at step 2: lower the learning rate")

sys.exit(guard(main, sys.argv[1:]))
"""


@contextmanager
def receiver() -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """A port that takes webhooks, and what came: receiver and alert."""
    told: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend((self.path.strip("/"), one) for one in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def program(port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    env = os.environ | {"PALIMPSEST_METRICS_PORT": str(port), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder / "r1")], env=env, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as found:  # fmt: skip
        try:
            assert found.stdout is not None
            assert found.stdout.readline() == "ready\n"
            yield found
        finally:
            found.kill()


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.3)


def hurried(folder: Path) -> list[Path]:
    """The rules with `for` and the wait of minutes taken out, and nothing else changed."""
    for path in FILES:
        text = re.sub(r"^( +for:) \d+m$", r"\1 1s", path.read_text(), flags=re.M)
        (folder / path.name).write_text(text)
    return sorted(folder.glob("Palimpsest*.yaml"))


@pytest.mark.slow
def test_an_alert_goes_all_the_way(tmp_path: Path) -> None:
    servers.need("prometheus", "prometheus-alertmanager")
    rules = hurried(tmp_path)
    routing = tmp_path / "alertmanager.yaml"
    with receiver() as (hook, told), program(port := servers.free_port(), tmp_path) as found:
        local = f"http://127.0.0.1:{hook}"
        text = blocks(PAGE)["alertmanager.yaml"].replace("group_wait: 30s", "group_wait: 3s")
        text = re.sub(r"http://(\w+)\.example\.org/palimpsest", rf"{local}/\1", text)
        routing.write_text(text)
        with (
            servers.alertmanager(tmp_path, routing) as manager,
            servers.prometheus(
                tmp_path, {"palimpsest": port}, rules=rules,
                alertmanager_port=urlsplit(manager.url).port,
            ) as scraper,
        ):  # fmt: skip
            steps = "palimpsest_training_step"
            until(lambda: bool(scraper.query(steps)), "a scrape of the first step")
            assert found.stdin is not None
            found.stdin.write("\n")
            found.stdin.flush()
            assert found.wait(30) == 78  # it stayed for a scrape, not for the whole minute
            until(lambda: not scraper.query(steps), "its series end")
            there = f"{manager.url}/api/v2/alerts"
            until(lambda: len(told) >= 2 and len(servers.get(there)) >= 3, "three, two are told")
            time.sleep(4)  # in which a third would be told, if it were not muted
            alerts = servers.get(there)
    assert not scraper_errors(scraper.log.read_text())
    by_name = {one["labels"]["alertname"]: one for one in alerts}
    assert by_name.keys() == {"PalimpsestLossNotFinite", "PalimpsestNanLatents",
                              "PalimpsestRejectRateHigh"}  # fmt: skip
    loss = by_name["PalimpsestLossNotFinite"]
    assert loss["labels"] == {
        "alertname": "PalimpsestLossNotFinite", "severity": "critical", "run": "r1",
        "stage": "train-fcn8s-binary", "detector": "fcn8s", "task": "binary",
    }  # fmt: skip
    assert loss["annotations"]["summary"] == "the training of fcn8s for binary failed in r1"
    assert (ROOT / loss["annotations"]["runbook"]).is_file()
    assert [one["name"] for one in loss["receivers"]] == ["pager"]
    muted = by_name["PalimpsestRejectRateHigh"]["status"]
    assert muted["inhibitedBy"] == [by_name["PalimpsestNanLatents"]["fingerprint"]]
    assert {(where, one["labels"]["alertname"]) for where, one in told} == {
        ("pager", "PalimpsestLossNotFinite"), ("chat", "PalimpsestNanLatents"),
    }  # fmt: skip


def scraper_errors(log: str) -> list[str]:
    """What Prometheus could not evaluate."""
    return [line for line in log.splitlines() if "level=error" in line or "Evaluating rule" in line]


def test_the_shown_prometheus_is_configured_well(tmp_path: Path) -> None:
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    config = tmp_path / "prometheus.yaml"
    config.write_text(blocks(PAGE)["prometheus.yaml"])
    done = promtool("check", "config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FILES)} rule files found" in done.stdout
    config.write_text(config.read_text().replace("scrape_configs", "scrape_config"))
    assert promtool("check", "config", config).returncode == 1


def test_the_shown_alertmanager_is_configured_well(tmp_path: Path) -> None:
    servers.need("amtool")
    config = tmp_path / "alertmanager.yaml"
    config.write_text(blocks(PAGE)["alertmanager.yaml"])
    done = amtool("check-config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 inhibit rules" in done.stdout and "2 receivers" in done.stdout
    for name in NAMES:
        severity = rule(name)["labels"]["severity"]
        route = amtool("config", "routes", "test", f"--config.file={config}",
                       f"alertname={name}", f"severity={severity}", "run=r1")  # fmt: skip
        assert route.stdout.strip() == {"critical": "pager", "warning": "chat"}[severity]
    other = amtool("config", "routes", "test", f"--config.file={config}", "severity=critical")
    assert other.stdout.strip() == "chat"  # somebody else's alert is not ours to route
    config.write_text(config.read_text().replace("receiver: pager", "receiver: papers"))
    assert amtool("check-config", config).returncode == 1


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["amtool", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_what_mutes_another_and_what_is_muted_are_alerts_with_those_labels() -> None:
    for one in yaml.safe_load(blocks(PAGE)["alertmanager.yaml"])["inhibit_rules"]:
        for matchers in (one["source_matchers"], one["target_matchers"]):
            (name,) = re.findall(r'"(Palimpsest\w+)"', matchers[0])
            assert (ALERTS / f"{name}.yaml").is_file()
            assert set(one["equal"]) <= labels.of(rule(name)["expr"])
