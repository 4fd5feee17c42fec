"""`palimpsest browse`: all of a run can be seen, nothing else of the machine, by nobody else."""

from __future__ import annotations

import html
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import cli, released
from pipeline.config import Config
from pipeline.documents import Sample
from pipeline.errors import InputError, guard
from pipeline.shards import RunFolder, join
from tests.jobs.published import pairs, zipped
from tests.training.conftest import Runs
from tests.training.report_run import FAMILIES, HOSTILE, Recipe, build
from training import browse
from training.browse_index import Entry, Filter, Index
from training.browse_pages import ON_A_PAGE, Site
from training.report_pictures import colour

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=9000", "--dump-dom",
)  # fmt: skip


class Probing(browse.Handler):
    """Beside the pages, one of the test's own that looks at them in a frame."""

    probe = ""

    def do_GET(self) -> None:
        if self.path != "/probe":
            return super().do_GET()
        data = type(self).probe.encode()
        self.send_response(200)
        self.send_header("Content-Type", browse.HTML)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(pages: Site) -> Iterator[ThreadingHTTPServer]:
    with browse.served(pages, 0) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


Answer = tuple[int, dict[str, str], bytes]


def ask(
    server: ThreadingHTTPServer, path: str, method: str = "GET", body: bytes | None = None,
    **headers: str,
) -> Answer:  # fmt: skip
    """What the server answers to `path` exactly as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}
    data = answer.read()
    connection.close()
    return *found, data


@pytest.fixture(scope="module")
def runs_(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(tmp_path_factory.mktemp(name) / "run", Recipe(hostile=name == "hostile"))
            for name in ("plain", "hostile")}  # fmt: skip


@pytest.fixture(scope="module")
def sites(runs_: dict[str, Path]) -> dict[str, Site]:
    return {name: browse.opened(path) for name, path in runs_.items()}


@pytest.fixture(scope="module")
def servers(sites: dict[str, Site]) -> Iterator[dict[str, ThreadingHTTPServer]]:
    before, browse.Handler = browse.Handler, Probing  # type: ignore[misc]
    with serving(sites["plain"]) as plain, serving(sites["hostile"]) as hostile:
        yield {"plain": plain, "hostile": hostile}
    browse.Handler = before  # type: ignore[misc]


@pytest.fixture
def plain(servers: dict[str, ThreadingHTTPServer]) -> ThreadingHTTPServer:
    return servers["plain"]


def keys(page: bytes) -> list[str]:
    return re.findall(r'class="cell" href="/sample/(\d{8})', page.decode())


# --- what is shown --------------------------------------------------------------------------------


def test_every_sample_and_every_reject_is_there(sites: dict[str, Site]) -> None:
    index = sites["plain"].index
    assert [entry.key for entry in index.entries] == [f"{i:08d}" for i in range(24)]
    assert {entry.split for entry in index.entries} == {"train", "val", "filtered"}
    assert set(index.reasons()) == {"low-score", "noop-edit"}
    assert index.predictions and set(index.predictions.values()) == {True, False}


def test_a_page_of_the_grid_and_the_ones_after_it(plain: ThreadingHTTPServer) -> None:
    status, headers, page = ask(plain, "/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    assert keys(page) == [f"{i:08d}" for i in range(24)]
    for address in ("/?page=7", "/?page=0", "/?page=x", "/?page=99999999999", "/?page=-1"):
        assert keys(ask(plain, address)[2]) == keys(page)


def test_filters_choose_what_they_say(plain: ThreadingHTTPServer, sites: dict[str, Site]) -> None:
    samples: dict[str, Sample] = {}
    for entry in sites["plain"].index.entries:
        found = sites["plain"].pictures.sample(entry)
        assert found is not None
        samples[entry.key] = found
    wanted = {
        "family=sdxl": lambda s: any(edit.family == "sdxl" for edit in s.edits),
        "turns=3": lambda s: len(s.edits) == 3,
        "edit=removal&turns=2": lambda s: (
            len(s.edits) == 2 and any(edit.edit == "removal" for edit in s.edits)
        ),
        "score=1": lambda s: s.score.score == 1,
    }
    for query, fits in wanted.items():
        expected = [key for key, sample in samples.items() if fits(sample)]
        assert keys(ask(plain, f"/?{query}")[2]) == expected and 0 < len(expected) < 24
    assert keys(ask(plain, "/?reason=noop-edit")[2]) == ["00000002", "00000023"]
    assert len(keys(ask(plain, "/?split=nope&family=%00&turns=../..")[2])) == 24
    assert b"No sample fits" in ask(plain, "/?split=val&reason=low-score")[2]


def test_a_sample_with_its_turns_outlines_and_predictions(
    plain: ThreadingHTTPServer, sites: dict[str, Site]
) -> None:
    index = sites["plain"].index
    entry = next(e for e in index.entries if e.split == "val" and len(e.families) == 3)
    status, _, page = ask(plain, f"/sample/{entry.key}?split=val")
    text = page.decode()
    assert status == 200
    for name in ("base", "turn-1", "turn-2", "turn-3", "final", "mask", "prediction-0"):
        assert f'src="/picture/{entry.key}/{name}.png"' in text
    assert text.count('<svg class="outline"') == 3 + 2 * 3
    for family in entry.families:
        assert f'stroke="{colour(FAMILIES[family])}"' in text
    vals = [e.key for e in index.entries if e.split == "val"]
    after = vals[vals.index(entry.key) + 1]
    assert f'href="/sample/{after}?split=val" rel="next"' in text
    for address in set(re.findall(r'src="(/picture/[^"]+)"', text)):
        status, headers, data = ask(plain, address)
        assert status == 200 and headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(data)).size in {(96, 96), (48, 48), (64, 64)}


def test_pictures_are_the_committed_ones(
    plain: ThreadingHTTPServer, runs_: dict[str, Path], sites: dict[str, Site]
) -> None:
    run = RunFolder(runs_["plain"])
    entry = next(e for e in sites["plain"].index.entries if len(e.families) == 2)
    row = join(run, (entry.dataset,), entry.shard).rows[entry.key]
    assert ask(plain, f"/picture/{entry.key}/final.png")[2] == row.raw("image.png")
    mask = row.get("mask", "LabelMap")
    shown = Image.open(io.BytesIO(ask(plain, f"/picture/{entry.key}/mask.png")[2]))
    pixels = np.asarray(shown.convert("RGBA"))
    for label in np.unique(mask):
        seen = {tuple(int(v) for v in pixel) for pixel in pixels[mask == label]}
        wanted = (*bytes.fromhex(colour(int(label))[1:]), 255) if label else (0, 0, 0, 0)
        assert seen == {wanted}
    thumb = Image.open(io.BytesIO(ask(plain, f"/thumb/{entry.key}/small.jpg")[2]))
    assert thumb.format == "JPEG" and thumb.size == (96, 96)


def test_rejects_with_their_reasons(plain: ThreadingHTTPServer) -> None:
    text = ask(plain, "/rejects")[2].decode()
    assert text.count("<tr>") == 1 + 4 + 2
    assert 'href="/sample/00000005"' in text and "noop-edit" in text
    assert ask(plain, "/rejects?reason=noop-edit")[2].decode().count("<tr>") == 1 + 2


def test_an_imported_run_claims_nothing_it_does_not_know(tmp_path: Path) -> None:
    from jobs import imported
    from pipeline import runs

    path = zipped(tmp_path / "train.zip", pairs(0, 6, 160, 240))
    config = Config.model_validate({"families": FAMILIES, "shard_size": 4,
                                    "imported": {"dataset": "diffseg30k"}})  # fmt: skip
    known = released.filled(config, path)
    out = runs.begin(known, None, tmp_path / "run")[1].path
    for args in ([], ["--split", "train"], ["--split", "val"], ["--split", "filtered"]):
        assert imported.main([*args, f"--run={out}"]) == 0
    pages = browse.opened(out)
    entry = next(entry for entry in pages.index.entries if len(entry.families) == 3)
    page = pages.sample(entry.key, {})
    assert page is not None and "This sample was imported" in page
    assert "<h2>Turns</h2>" not in page and "score" not in page
    assert page.count('viewBox="0 0 240 160"') == 3
    assert pages.index.choices["score"] == pages.index.choices["edit"] == []


def test_a_run_that_is_not_finished(runs: Runs) -> None:
    run, _ = runs.make(unedited=2, negatives=2)
    shutil.rmtree(run.datasets / "assemble-val")
    pages = browse.opened(run.path)
    assert {entry.split for entry in pages.index.entries} == {"train", "unedited"}
    unedited = next(entry for entry in pages.index.entries if entry.split == "unedited")
    page = pages.sample(unedited.key, {})
    assert page is not None and "nobody edited it" in page
    shutil.rmtree(run.datasets)
    assert "nothing is committed in this run" in browse.opened(run.path).samples({})


# --- who may ask, and for what --------------------------------------------------------------------

OUTSIDE = (
    "/../../../etc/passwd", "/static/../browse.py", "/static/..%2fbrowse.py", "/static/browse.py",
    "/static/report.css", "/static/", "//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
    "/picture/00000001/../../config.yaml", "/picture/00000001/image.png",
    "/picture/..%2f..%2fconfig/final.png", "/picture/00000001/turn-9.png",
    "/picture/00000001/prediction-99.png", "/picture/99999999/final.png", "/sample/99999999",
    "/sample/0000000١", "/sample/00000001/", "/config.yaml", "/shards", "/run.json", "/sample/1",
    "/thumb/00000001/final.png/../x.jpg", "file:///etc/passwd", "http://example.org/", "*",
    "/\\..\\..\\config.yaml", "/?" + "a=1&" * 50, "/" + "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_address_leads_out_of_the_run(plain: ThreadingHTTPServer, path: str) -> None:
    with socket.create_connection(("127.0.0.1", plain.server_address[1]), timeout=30) as line:
        line.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first = head.split(b"\r\n")[0]
    if path == "http://example.org/":  # a proxy's form of "/": answered as such, for this host
        assert b" 200 " in first
        return
    assert b" 404 " in first or b" 400 " in first
    assert b"root:" not in body and b"families:" not in body and b"import" not in body
    assert b"Content-Security-Policy: default-src 'none'" in head


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]
)
def test_nothing_but_reading_is_answered(plain: ThreadingHTTPServer, method: str) -> None:
    status, headers, data = ask(plain, "/", method, b"a=1")
    assert status == 405 and headers["allow"] == "GET, HEAD" and b"<html" not in data


def test_an_unknown_method_and_no_request_at_all(plain: ThreadingHTTPServer) -> None:
    assert ask(plain, "/", "BREW")[0] == 501
    with socket.create_connection(("127.0.0.1", plain.server_address[1]), timeout=30) as line:
        line.sendall(b"<script>alert(1)</script>\r\n\r\n")
        assert b"<script>" not in line.recv(65536)


def test_a_head_has_all_but_the_body(plain: ThreadingHTTPServer) -> None:
    status, headers, data = ask(plain, "/", "HEAD")
    assert status == 200 and data == b"" and int(headers["content-length"]) > 1000


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:9999", 200), ("evil.example", 403), ("", 403),
        ("127.0.0.1.evil.example:8765", 403), ("localhost@evil.example", 403),
    ],
)  # fmt: skip
def test_a_foreign_name_for_this_machine_gets_nothing(
    plain: ThreadingHTTPServer, host: str, status: int
) -> None:
    got, _, data = ask(plain, "/", Host=host)
    assert got == status and (status == 200) == (b"<html" in data)


def test_it_listens_on_this_machine_only(plain: ThreadingHTTPServer) -> None:
    assert plain.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/sample/00000002", "/rejects", "/static/browse.js", "/x"])
def test_the_policy_forbids_what_pages_do_not_need(plain: ThreadingHTTPServer, path: str) -> None:
    _, headers, data = ask(plain, path)
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    if path in ("/", "/sample/00000002", "/rejects"):
        text = data.decode()
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=|javascript:", text)
        addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
        assert addresses and all(one.startswith("/") and one[1:2] != "/" for one in addresses)


def test_texts_of_users_and_models_stay_texts(servers: dict[str, ThreadingHTTPServer]) -> None:
    pages = [ask(servers["hostile"], path)[2].decode()
             for path in ("/", "/rejects", *(f"/sample/{i:08d}" for i in range(24)))]  # fmt: skip
    whole = "\n".join(pages)
    assert "<script>alert" not in whole and "onerror=alert(2)>" not in whole
    assert "</style><svg" not in whole and "onmouseover='" not in whole
    for text in HOSTILE[:4]:
        assert html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in whole


def test_nothing_in_the_run_is_touched(runs_: dict[str, Path], sites: dict[str, Site]) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size)
                for path in runs_["plain"].rglob("*")}  # fmt: skip

    before, pages = state(), browse.opened(runs_["plain"])
    for entry in pages.index.entries[:4]:
        assert pages.sample(entry.key, {}) and pages.pictures.thumb(entry)
    assert pages.samples({}) and pages.rejects({})
    assert state() == before


def test_a_damaged_shard_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    path = build(tmp_path / "run", Recipe(samples=8, detectors=False))
    pages = browse.opened(path)
    entry = pages.index.entries[0]
    run = RunFolder(path)
    tar = run.tar(run.manifest(entry.dataset, entry.shard))
    tar.write_bytes(bytes(tar.stat().st_size))
    with serving(pages) as server:
        status, _, data = ask(server, f"/sample/{entry.key}")
        assert status == 500 and b"is damaged" in data and b"Traceback" not in data
        assert ask(server, "/")[0] == 200


# --- the command ----------------------------------------------------------------------------------


def test_a_port_that_is_taken_and_one_that_is_none(
    plain: ThreadingHTTPServer, sites: dict[str, Site]
) -> None:
    taken = int(plain.server_address[1])
    with pytest.raises(InputError, match=f"port {taken} of 127.0.0.1 cannot be used .*--port"):
        browse.served(sites["plain"], taken)
    with pytest.raises(InputError, match="--port 70000: give one from 0"):
        browse.served(sites["plain"], 70000)


def test_a_folder_that_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(cli.main, ["browse", str(tmp_path)]) == 78
    assert "is not a run: it has no config.yaml" in capsys.readouterr().err


def test_the_command_serves_until_it_is_interrupted(
    runs_: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(server: ThreadingHTTPServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", stop)
    assert guard(cli.main, ["browse", str(runs_["plain"]), "--port", "0"]) == 0
    said = capsys.readouterr().out
    assert re.match(r"24 samples of .* at http://127\.0\.0\.1:\d+/ \(Ctrl-C ends it\)", said)


# --- properties -----------------------------------------------------------------------------------

FAMILY = st.sampled_from(["sdxl", "flux", "glide"])
ENTRIES = st.lists(
    st.builds(
        Entry, key=st.just(""), split=st.sampled_from(["train", "val", "filtered"]),
        dataset=st.just("d"), shard=st.just(0), families=st.lists(FAMILY, max_size=3).map(tuple),
        score=st.none() | st.integers(-1, 5), reasons=st.sampled_from([(), ("a",), ("a", "b")]),
    ), max_size=70,
)  # fmt: skip
ASKED = st.fixed_dictionaries({}, optional={
    "split": st.sampled_from(["train", "val", "nope"]), "family": FAMILY,
    "turns": st.sampled_from("0123"), "score": st.sampled_from(["-1", "3", "x"]),
    "reason": st.sampled_from("ab"),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ENTRIES, ASKED)
def test_the_pages_of_a_filter_have_each_of_its_samples_once(
    sites: dict[str, Site], entries: list[Entry], asked: dict[str, str]
) -> None:
    import dataclasses

    made = tuple(dataclasses.replace(one, key=f"{i:08d}") for i, one in enumerate(entries))
    index = Index(made, ())
    pages = dataclasses.replace(sites["plain"], index=index)
    expected = [one.key for one in made if all(
        value in {"split": [one.split], "family": one.families, "turns": [str(len(one.families))],
                  "score": [str(one.score)], "reason": one.reasons}[name]
        for name, value in asked.items() if value in index.choices[name])]  # fmt: skip
    seen: list[str] = []
    for number in range(1, max(1, -(-len(expected) // ON_A_PAGE)) + 1):
        seen += keys(pages.samples({**asked, "page": str(number)}).encode())
    assert seen == expected
    chosen = index.filter(asked)
    query = {
        name: values[0]
        for name, values in parse_qs(
            urlsplit(f"/?{'&'.join(f'{k}={v}' for k, v in chosen.given.items())}").query
        ).items()
    }
    assert index.filter(query) == chosen and Filter(**chosen.given) == chosen


# --- in a browser ---------------------------------------------------------------------------------

PROBE = """<!doctype html>
<body><iframe src="%(path)s" style="width:%(width)dpx;height:900px"></iframe>
<script>
const frame = document.querySelector("iframe"), found = {visited: []};
const keys = %(keys)s;
const tick = () => new Promise(done => setTimeout(done, 150));
function measure(page) {
  const root = page.scrollingElement;
  return {
    pictures: [...page.images].filter(i => i.loading !== "lazy" || i.complete)
      .map(i => i.complete && i.naturalWidth > 0 && i.width > 0),
    overflow: root.scrollWidth - root.clientWidth,
    scripted: page.documentElement.classList.contains("scripted"),
    outlines: [...page.querySelectorAll(".outline")].map(s => s.getBoundingClientRect().width),
    frames: [...page.querySelectorAll(".pair .frame")].map(s => s.getBoundingClientRect().left),
    sticky: getComputedStyle(page.querySelector(".bar")).position,
    dots: [...page.querySelectorAll(".dot")].map(s => getComputedStyle(s).backgroundColor),
  };
}
onload = async () => {
  await tick();
  for (const image of frame.contentDocument.images) image.loading = "eager";
  await tick(); await tick();
  found.first = measure(frame.contentDocument);
  for (const key of keys) {
    const page = frame.contentDocument;
    const event = new frame.contentWindow.KeyboardEvent("keydown", {key, bubbles: true});
    (page.activeElement || page.body).dispatchEvent(event);
    await tick(); await tick();
    const now = frame.contentDocument, after = now.querySelector(".pair .after img");
    found.visited.push({
      at: frame.contentWindow.location.pathname + frame.contentWindow.location.search,
      focus: now.activeElement?.getAttribute("href") ?? now.activeElement?.getAttribute("name"),
      bare: now.body.classList.contains("no-outlines"),
      help: !now.getElementById("keys").hidden, after: after?.getAttribute("src"),
    });
  }
  document.body.textContent = JSON.stringify(found);
};
</script>"""


def looked(
    server: ThreadingHTTPServer, path: str, width: int, folder: Path, *keys: str
) -> tuple[dict[str, Any], list[str]]:
    """What a browser measures on a page `width` px wide and after each key, and its complaints."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine: install it, or unset CI to skip this test")
        pytest.skip("no chromium on this machine")
    Probing.probe = PROBE % {"path": path, "width": width, "keys": json.dumps(keys)}
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder}",
         f"http://127.0.0.1:{server.server_address[1]}/probe"],
        capture_output=True, text=True, timeout=110, check=True,
    )  # fmt: skip
    body = re.search(r"<body>(.*)</body>", done.stdout, re.S)
    assert body
    log = [line for line in done.stderr.splitlines()
           if "CONSOLE" in line or "Content Security" in line]  # fmt: skip
    found: dict[str, Any] = json.loads(html.unescape(body[1]))
    return found, log


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["plain", "hostile"])
@pytest.mark.parametrize("path", ["/", "/sample/00000004", "/rejects"])
def test_everything_is_seen_at_any_width(
    path: str, name: str, width: int, servers: dict[str, ThreadingHTTPServer], tmp_path: Path
) -> None:
    found, log = looked(servers[name], path, width, tmp_path)
    first = found["first"]
    assert log == [] and first["scripted"] and first["sticky"] == "sticky"
    assert first["overflow"] <= 0
    assert all(first["pictures"]) and len(first["pictures"]) == {"/": 24, "/rejects": 0}.get(
        path, len(first["pictures"]))  # fmt: skip
    if path.startswith("/sample/"):
        assert len(first["pictures"]) >= 6 and min(first["outlines"]) > 100
        before, after = first["frames"][:2]
        assert before < after  # side by side, also on a phone
        assert "rgba(0, 0, 0, 0)" not in first["dots"]


def test_keys_lead_through_the_samples(plain: ThreadingHTTPServer, tmp_path: Path) -> None:
    pressed = ["o", "o", "?", "b", "ArrowRight", "ArrowLeft", "Escape"]
    found, log = looked(plain, "/sample/00000004?split=val", 1280, tmp_path, *pressed)
    visited = found["visited"]
    assert log == [] and [one["bare"] for one in visited[:2]] == [True, False]
    assert visited[2]["help"] and visited[3]["after"].endswith("/base.png")
    assert [one["at"] for one in visited[4:]] == [
        "/sample/00000008?split=val", "/sample/00000004?split=val", "/?split=val"]  # fmt: skip


def test_keys_lead_through_the_grid(plain: ThreadingHTTPServer, tmp_path: Path) -> None:
    found, log = looked(plain, "/", 1280, tmp_path, "j", "j", "k", "f")
    assert log == []
    assert [one["focus"] for one in found["visited"]] == [
        "/sample/00000000", "/sample/00000001", "/sample/00000000", "split"]  # fmt: skip
