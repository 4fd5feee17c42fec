"""Real servers for the tests: a Prometheus that scrapes, an Alertmanager that it tells."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Labels = dict[str, str]
#: Debian's packages and what the tests use of them.
PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus",
            "prometheus-alertmanager": "prometheus-alertmanager",
            "amtool": "prometheus-alertmanager"}  # fmt: skip
#: Of requests to servers of this machine: no proxy is asked.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def need(*programs: str) -> None:
    """Skip the test where one of them is missing, and fail it there in CI, which installs them."""
    for missing in (name for name in programs if shutil.which(name) is None):
        why = f"no {missing}: apt-get install --no-install-recommends {PROGRAMS[missing]}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def get(url: str) -> Any:
    """The JSON at an address; a ValueError with the server's words if it refuses."""
    try:
        with _DIRECT.open(url, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise ValueError(f"{url}: {error.code} {error.read().decode()}") from None


@dataclass(frozen=True)
class Server:
    """A running server; `log` is what it says."""

    url: str
    log: Path

    def query(self, expr: str, time: float | None = None) -> list[tuple[Labels, float]]:
        """The series (a scalar: one without labels) that a PromQL expression gives, at a time in
        seconds since 1970 or now."""
        found = self._api("query", query=expr, time=time)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def query_range(
        self, expr: str, start: float, end: float, step: float
    ) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """The same over time, every `step` seconds: (seconds since 1970, value) by series."""
        found = self._api("query_range", query=expr, start=start, end=end, step=step)
        return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]])
                for one in found["result"]]  # fmt: skip

    def series(self, match: str) -> list[Labels]:
        """The labels (with `__name__`) of all series ever seen that a selector matches."""
        found: list[Labels] = self._api("series", **{"match[]": match, "start": 0})
        return found

    def _api(self, what: str, **given: object) -> Any:
        asked = {name: value for name, value in given.items() if value is not None}
        return get(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(asked)}")["data"]


@contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, int], interval: str = "1s", rules: Sequence[Path] = (),
    alertmanager_port: int | None = None,
) -> Iterator[Server]:  # fmt: skip
    """A Prometheus with its data in `folder`, which scrapes `targets` (a port of 127.0.0.1 by the
    name of its job) and evaluates `rules` every `interval`."""
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": [str(path.resolve()) for path in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in targets.items()
        ],
    }
    if alertmanager_port is not None:
        told = {"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}
        config["alerting"] = {"alertmanagers": [told]}
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    arguments = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    with _running(folder / "prometheus.log", "prometheus", *arguments) as server:
        yield server


@contextmanager
def alertmanager(folder: Path, config: Path) -> Iterator[Server]:
    """An Alertmanager with its data in `folder`, which routes by the file `config`."""
    arguments = [f"--config.file={config}", f"--storage.path={folder / 'alertmanager'}",
                 "--cluster.listen-address="]  # fmt: skip
    log = folder / "alertmanager.log"
    with _running(log, "prometheus-alertmanager", *arguments) as server:
        yield server


@contextmanager
def _running(log: Path, program: str, *arguments: str) -> Iterator[Server]:
    """The server, from when it is ready until the end of the block."""
    need(program)
    address = f"127.0.0.1:{free_port()}"
    command = [program, *arguments, f"--web.listen-address={address}"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            server = Server(f"http://{address}", log)
            _ready(server, process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with _DIRECT.open(f"{server.url}/-/ready", timeout=5):
                return
        except OSError:  # not there yet, or 503: still reading its data
            time.sleep(0.1)
    raise RuntimeError(
        f"no server at {server.url}; its last words: {server.log.read_text()[-2000:]}"
    )
