"""A token for the model hub, given as a variable and as a file: it is sent to the hub, and stands
nowhere else. Not in what is printed, and in no file of runs and models, whether they end well or
with errors that quote it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from pipeline.cards import card
from pipeline.code import ROOT
from pipeline.errors import BUG, OK, PERMANENT, TRANSIENT
from pipeline.exporter_runs import Runs
from tests.jobs.hub import Hub

pytestmark = pytest.mark.slow
DATA = ROOT / "tests" / "data"
#: One that looks like the hub's, and one that looks like nothing.
MINE, MOUNTED = "hf_" + "cAnArY7f3a" * 3, "plain-canary-0d1c2b3a"
#: As they are, and inside anything that is base64, wherever it begins.
TRACES = tuple({
    form for secret in (MINE, MOUNTED) for form in (
        secret.encode(), *(base64.b64encode(b"x" * i + secret.encode())[4:-4] for i in range(3)))
})  # fmt: skip
#: Makes a stage fail once, as a library may that quotes its request.
SITE = """
import os
from pathlib import Path
import pipeline.batches, pipeline.events
real = pipeline.batches.members
def members(record):
    mark = Path(os.environ["FAILED"])
    if pipeline.events._who.get("stage") == "segment" and not mark.exists():
        mark.touch()
        token = os.environ["HF_TOKEN"]
        raise RuntimeError(f"GET https://hub/?token={token}: {{'authorization': 'Bearer {token}'}}")
    return real(record)
pipeline.batches.members = members
"""


def traces(folder: Path) -> list[str]:
    """The files of a folder whose names, bytes or columns have a secret."""
    found = []
    for path in folder.rglob("*"):
        data = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        if path.suffix == ".parquet":
            data += repr(pq.read_table(path).to_pylist()).encode()
        if any(trace in data for trace in TRACES):
            found.append(str(path))
    return found


def silent(text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return not any(trace in data for trace in TRACES)


def ran(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A program of ours with the token in its environment."""
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "HF_TOKEN": MINE, "PYTHONPATH": str(ROOT), **env},
    )  # fmt: skip


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"data:," + base64.b64encode(b"ab " + MINE.encode() + b" c"))
    (tmp_path / "b").write_text(f"x{MOUNTED}y")
    (tmp_path / "c").write_text("nothing")
    assert sorted(Path(name).name for name in traces(tmp_path)) == ["a.html", "b"]


def test_no_run_has_it(tmp_path: Path, said: Callable[[str], None]) -> None:
    """A run that fails, with the token in the error, and then goes on to its end."""
    known = yaml.safe_load((DATA / "standin.yaml").read_text())
    known |= {"samples": 8, "local": {"partitions": 1, "logs": "json"}}
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(known))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    out = tmp_path / "run"
    command = ("-m", "pipeline.cli", "run", "--profile", str(tmp_path / "profile.yaml"),
               "--photos", str(DATA / "photos"), "--out", str(out))  # fmt: skip
    env = {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}", "FAILED": str(tmp_path / "failed")}
    first, second = ran(*command, **env), ran(*command, **env)
    assert (first.returncode, second.returncode) == (BUG, OK), first.stderr + second.stderr
    log = (out / "logs" / "segment-0.log").read_text()
    assert "RuntimeError: GET https://hub/?token=***" in log and "Bearer ***" in log
    assert "RuntimeError: GET https://hub/?token=***" in first.stderr
    registry = CollectorRegistry()
    registry.register(Runs([out]))  # type: ignore[arg-type]
    scraped = generate_latest(registry)
    assert b"palimpsest_run_" in scraped and silent(scraped)
    assert silent(first.stdout + first.stderr + second.stdout + second.stderr)
    assert traces(out) == []
    files = sum(path.is_file() for path in out.rglob("*"))
    said(f"secrets: in none of {files} files of a run that failed with one in its error")


@contextmanager
def rude(status: int) -> Iterator[str]:
    """A hub that refuses everything and sends back what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.headers.get("Authorization", "")
            body = f'{{"error": "no: {sent}"}}'.encode()
            self.send_response(status)
            self.send_header("X-Error-Message", f"not with {sent}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetched(home: Path, url: str, mounted: bool = False) -> subprocess.CompletedProcess[str]:
    """`jobs.fetch` of one family against the hub at `url`; `mounted`: with a token from a file."""
    home.mkdir()
    profile = home / "config.yaml"
    profile.write_text(f"profile: mine\nsamples: 4\nfamilies: {{sdxl: 1, heal: 2}}\n"
                       f"editing: {{folder: {home / 'models'}}}\n")  # fmt: skip
    secret = home.parent / f"{home.name}-secret"
    secret.mkdir()
    (secret / "token").write_text(f"{MOUNTED}\n")
    place = f"hub.HUB_TOKEN = {str(secret)!r}; " if mounted else ""
    program = (f"import sys; from jobs import fetch, hub; {place}"
               "from pipeline.errors import guard; sys.exit(guard(fetch.main, sys.argv[1:]))"
               )  # fmt: skip
    return ran("-c", program, "--family", "sdxl", "--config", str(profile), HF_ENDPOINT=url,
               HF_HUB_DISABLE_XET="1", HF_HOME=str(home / "hf"))  # fmt: skip


def test_no_fetch_has_it(tmp_path: Path, said: Callable[[str], None]) -> None:
    """From a hub that answers, one that sends damaged files, and some that refuse."""
    (repo,) = card("editors", "sdxl").repos
    files = {"model_index.json": b"{}", "unet/model.safetensors": b"0123456789" * 1000}
    with (
        Hub(repo, {"a" * 40: files}).serving() as good,
        Hub(repo, {"a" * 40: files}, damaged=True).serving() as bad,
        rude(401) as unknown, rude(403) as closed, rude(500) as broken,
        ThreadPoolExecutor(2) as pool,
    ):  # fmt: skip
        todo = {"good": (good.url, False), "file": (good.url, True), "bad": (bad.url, False),
                "unknown": (unknown, False), "closed": (closed, True),
                "broken": (broken, False)}  # fmt: skip
        ends = dict(zip(todo, pool.map(
            lambda name: fetched(tmp_path / name, *todo[name]), todo), strict=True))  # fmt: skip
    assert good.tokens == {f"Bearer {MINE}", f"Bearer {MOUNTED}"}, "it was not even sent"
    assert bad.tokens == {f"Bearer {MINE}"}
    codes = {name: end.returncode for name, end in ends.items()}
    refused = {codes.pop(name) for name in ("unknown", "closed", "broken")}
    assert codes == {"good": OK, "file": OK, "bad": TRANSIENT}, ends
    assert refused <= {PERMANENT, TRANSIENT}, ends
    for name, end in ends.items():
        assert silent(end.stdout + end.stderr), name
        assert "Traceback" not in end.stderr, name
        assert traces(tmp_path / name) == [], name
    assert "***" in ends["closed"].stderr + ends["broken"].stderr, "nobody sent it back"
    said(f"secrets: {len(ends)} fetches, of which {len(ends) - 2} failed, left none behind")
