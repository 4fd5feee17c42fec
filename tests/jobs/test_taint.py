"""Texts of users, poisoned, through a whole run: they are data to the end, and never a command, a
name of a file, a label, or markup."""

import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from pipeline.shards import RunFolder, join
from tests.training.test_report_browser import CHROMIUM, browse, complaints

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
pytestmark = pytest.mark.slow
CANARY = "caNary7f3a"
PAYLOADS = (
    "<script>document.title='{}'</script>", "\"><img src=x onerror=alert('{}')>", "{{{{={}}}}}",
    "{{{{workflow.parameters.{}}}}}", "$(touch {})", "`touch {}`", "../../../{}", "=cmd|'{}'!A0",
    "\x1b]0;{}\x07\x1b[2J", "{}\r\npalimpsest: 2026-01-01T00:00:00Z forged", "\u202e{}\u2066",
    "| {} | [a](javascript:alert(1)) ![b](http://x/{})", "%s{}%n${{HOME}}", "</title></style>{}",
    "a\0{}", "\ud800{}", "javascript:{}//", "{} ' onmouseover='alert(1)",
)  # fmt: skip
TEXTS = [payload.format(*[CANARY] * payload.count("{}")) for payload in PAYLOADS]


def poisoned(folder: Path) -> Path:
    """Photographs whose names, captions, objects, authors and licences are all PAYLOADS."""
    sources = sorted((DATA / "photos" / "images").iterdir())
    data: dict[str, list[object]] = {
        "images": [], "annotations": [], "categories": [], "licenses": []
    }  # fmt: skip
    for i, text in enumerate(TEXTS):
        name = re.sub(r"[/\0\ud800]", "_", text) + ".jpg"
        (folder / f"d{i}").mkdir(parents=True)
        with Image.open(sources[i % len(sources)]) as picture:
            picture.convert("RGB").resize((96, 96)).save(folder / f"d{i}" / name)
        other = TEXTS[(i + 5) % len(TEXTS)]
        data["images"].append({"id": f"{i}-{text}", "file_name": f"d{i}/{name}", "license": i,
                               "author": text, "flickr_url": other})  # fmt: skip
        data["licenses"].append({"id": i, "name": text})
        data["categories"].append({"id": i, "name": text, "supercategory": other})
        ring = [10, 10, 80, 10, 80, 70, 10, 70]
        data["annotations"] += [
            {"id": text, "image_id": f"{i}-{text}", "category_id": i, "segmentation": [ring]},
            {"id": text, "image_id": f"{i}-{text}", "category_id": i, "segmentation": text},
            {"image_id": f"{i}-{text}", "caption": text},
        ]
    for kind in ("instances", "captions"):
        (folder / f"{kind}.json").write_text(json.dumps(data))
    return folder


class Watch(threading.Thread):
    """What stands on the command lines and in the environments of a session's processes."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.seen, self.done = session, set[str](), threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.1):
            for path in Path("/proc").glob("[0-9]*"):
                try:
                    if os.getsid(int(path.name)) == self.session:
                        self.seen |= {
                            (path / "cmdline").read_bytes().decode("utf-8", "replace"),
                            (path / "environ").read_bytes().decode("utf-8", "replace"),
                        }
                except OSError:
                    continue  # it has ended


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """The run, what it said, and what was seen of its processes."""
    folder = tmp_path_factory.mktemp("taint")
    photos, out = poisoned(folder / "photos"), folder / "run"
    command = [sys.executable, "-m", "pipeline.cli", "run", "--profile", str(DATA / "standin.yaml"),
               "--photos", str(photos), "--out", str(out)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
                          env=os.environ | {"PYTHONPATH": str(ROOT)},
                          start_new_session=True) as process:  # fmt: skip
        watch = Watch(process.pid)
        watch.start()
        assert process.stdout
        said = process.stdout.read().decode("utf-8", "replace")
        assert process.wait() == 0, said[-3000:]
    watch.done.set()
    watch.join()
    # the executor's, the fork server's and the tracker's; stages bear those of the server
    assert len(watch.seen) >= 3, "nobody looked"
    return out, said, watch.seen


Finished = tuple[Path, str, set[str]]


def test_the_texts_went_all_the_way(finished: Finished) -> None:
    run, found = RunFolder(finished[0]), ""
    for shard in range(3):
        for split in ("train", "val", "filtered"):
            for row in join(run, (f"assemble-{split}",), shard).rows.values():
                found += row.get("sample", "Sample").model_dump_json()
    assert found.count(CANARY) > 50
    assert '"prompts":["the same <script>' in found or "<script>" in found


def test_no_command_line_and_no_environment_has_them(finished: Finished) -> None:
    assert not [text for text in finished[2] if CANARY in text]


def test_no_file_bears_them(finished: Finished) -> None:
    folder = finished[0]
    assert not [path for path in folder.rglob("*") if CANARY in path.name]
    assert {path.name for path in folder.parent.iterdir()} == {"photos", "run"}
    assert not list(ROOT.glob(f"{CANARY}*")) and not Path(CANARY).exists()


def test_no_log_is_steered_or_forged(finished: Finished) -> None:
    folder, said, _ = finished
    logs = [path.read_text() for path in (folder / "logs").glob("*")]
    for text in (said, *logs):
        strange = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {"\n", "\r"}
        assert not strange, strange
        assert not re.search(r"^palimpsest: .*forged", text, re.M)


def test_no_metric_has_them(finished: Finished) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from pipeline.exporter_runs import Runs

    registry = CollectorRegistry()
    registry.register(Runs([finished[0]]))  # type: ignore[arg-type]
    text = generate_latest(registry).decode()
    assert "palimpsest_run_" in text and CANARY not in text


class Page(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts += data


def judged(text: str, scripts: int) -> None:
    """No element and no address of a page is of the payloads."""
    page = Page(text)
    assert CANARY in page.texts
    assert sum(tag in ("script", "iframe", "object", "embed", "base") for tag, _ in page.tags
               ) == scripts  # fmt: skip
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action", "xlink:href", "formaction"):
            address = attributes.get(name, "").strip().lower()
            assert not address.startswith(("javascript:", "vbscript:")), address
            assert not (address.startswith("data:") and tag == "a"), address
    assert "style" in {tag for tag, _ in page.tags} or scripts


def test_the_report_shows_them_as_text(finished: Finished) -> None:
    text = (finished[0] / "report.html").read_text()
    judged(text, 0)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'" and "script-src" not in rules
    assert rules == {"img-src": "data:", "style-src": "'unsafe-inline'", "base-uri": "'none'",
                     "form-action": "'none'"}  # fmt: skip
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<body")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_report_runs_nothing_in_a_browser(finished: Finished, tmp_path: Path) -> None:
    dom, log = browse(finished[0] / "report.html", tmp_path)
    assert CANARY in dom and not re.search(rf"<title>[^<]*{CANARY}", dom)
    assert complaints(log) == [], "its policy had to stop something"


def test_the_pages_that_are_served_show_them_as_text(finished: Finished) -> None:
    from training import browse as served

    site = served.opened(finished[0])
    judged(site.samples({}), 1)
    key = site.index.entries[0].key
    page = site.sample(key, {})
    assert page
    judged(page, 1)
    policy = served.HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_markdown_shows_them_as_text(finished: Finished) -> None:
    for path in (finished[0] / "report.md", finished[0] / "dataset" / "README.md"):
        text = path.read_text()
        for wrong in ("<script", "<img", "](javascript:", "![b]", "</title>"):
            assert wrong not in text, (path.name, wrong)
