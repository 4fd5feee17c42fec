"""The report in a real browser: it opens, shows every picture, breaks no rule of its policy."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.training.report_run import Recipe, build
from training import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom",
)  # fmt: skip
#: Around the page, which keeps its own policy: measures it at two widths and writes what it found.
PROBE = """<!doctype html>
<body><iframe srcdoc="{page}" style="width:{width}px;height:900px"></iframe>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, root = page.scrollingElement;
  const found = {{
    pictures: [...page.images].map(i => i.complete && i.naturalWidth > 0 && i.width > 0),
    sections: [...page.querySelectorAll("section")].filter(s => s.offsetHeight > 0).map(s => s.id),
    plots: [...page.querySelectorAll(".plot svg")].map(s => s.getBoundingClientRect().height),
    wide: [...page.querySelectorAll("section *")].filter(e => {{
      const box = e.closest(".scroll, .plot.wide, svg, details:not([open])");
      return !box && e.getBoundingClientRect().right > root.clientWidth + 1;
    }}).map(e => e.tagName + " " + e.className),
    overflow: root.scrollWidth - root.clientWidth,
    scripts: page.scripts.length,
    sticky: getComputedStyle(page.querySelector("nav")).position,
  }};
  document.body.textContent = JSON.stringify(found);
}}
</script>"""

#: As above, of a page that is as wide as a sheet of paper.
PRINTED = """<!doctype html>
<body><iframe srcdoc="{page}" style="width:{width}px;height:900px;border:0"></iframe>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, root = page.scrollingElement;
  const tables = [...page.querySelectorAll("table")].filter(t => t.offsetWidth > 0);
  document.body.textContent = JSON.stringify({{
    tables: tables.length,
    wide: tables.filter(t => t.getBoundingClientRect().right > root.clientWidth)
      .map(t => t.parentElement.ariaLabel),
  }});
}};
</script>"""


def browse(page: Path, folder: Path) -> tuple[str, str]:
    """The DOM once loaded, and what the browser logged."""
    assert CHROMIUM
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def complaints(log: str) -> list[str]:
    """What a developer would see in the console."""
    return [line for line in log.splitlines() if "CONSOLE" in line or "Content Security" in line]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine: install it, or unset CI to skip this test")
        pytest.skip("no chromium on this machine")
    found = {}
    recipes = {"plain": Recipe(), "hostile": Recipe(hostile=True), "every": Recipe(every=True)}
    for name, recipe in recipes.items():
        run = build(tmp_path_factory.mktemp(name) / "run", recipe)
        found[name], _ = report.again(run)
    return found


@pytest.mark.parametrize("name", ["plain", "hostile", "every"])
def test_it_opens_without_a_complaint(name: str, pages: dict[str, Path], tmp_path: Path) -> None:
    dom, log = browse(pages[name], tmp_path)
    names = ("samples", "filtered", "statistics", "scores", "stages", "cost", "rejects", "credits")
    for part in names:
        assert f'<section id="{part}">' in dom
    assert complaints(log) == []


@pytest.mark.parametrize(
    "name, width, plots",
    [("plain", 1280, 12), ("plain", 390, 12), ("hostile", 390, 12), ("every", 1280, 31),
     ("every", 390, 31)],
)  # fmt: skip
def test_everything_is_seen_at_any_width(
    name: str, width: int, plots: int, pages: dict[str, Path], tmp_path: Path
) -> None:
    text = pages[name].read_text()
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(page=html.escape(text), width=width))
    dom, log = browse(probe, tmp_path / "profile")
    body = re.search(r"<body>(.*)</body>", dom, re.S)
    assert body
    found: dict[str, Any] = json.loads(html.unescape(body[1]))
    assert len(found["pictures"]) == text.count("<img ") > 40 and all(found["pictures"])
    assert len(found["sections"]) == 12 and found["scripts"] == 0
    assert len(found["plots"]) == plots and min(found["plots"]) > 100
    assert found["overflow"] <= 0
    assert found["wide"] == [], "a table or a row of pictures is wider than its box scrolls"
    assert found["sticky"] == "sticky"
    assert complaints(log) == []


@pytest.mark.parametrize("name", ["hostile", "every"])
def test_tables_fit_on_a_printed_page(name: str, pages: dict[str, Path], tmp_path: Path) -> None:
    """With the rules for print in force, at the width of A4 on its side without its margins."""
    text = pages[name].read_text()
    assert "size: A4 landscape; margin: 10mm" in text
    printed = text.replace("@media print", "@media all").replace("@media screen", "@media speech")
    probe = tmp_path / "probe.html"
    probe.write_text(PRINTED.format(page=html.escape(printed), width=1047))
    dom, _ = browse(probe, tmp_path / "profile")
    body = re.search(r"<body>(.*)</body>", dom, re.S)
    assert body
    found: dict[str, Any] = json.loads(html.unescape(body[1]))
    assert found["tables"] > 8 and found["wide"] == []


def test_a_script_in_the_page_would_be_noticed(pages: dict[str, Path], tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.html"
    text = pages["plain"].read_text()
    spoilt.write_text(text.replace("</main>", "<script>document.title = 1</script></main>"))
    _, log = browse(spoilt, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in complaints(log))
