"""How tests read a report: as a browser would, as a Markdown reader would, section by section."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt

from pipeline.shards import RunFolder, join
from tests.training.report_run import Recipe, build
from training import report

COMMONMARK = MarkdownIt("commonmark").enable("table")


class Parsed(HTMLParser):
    """Tags with their attributes, and all text, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(run: Path) -> str:
    page: str = join(RunFolder(run), ("report",), 0).rows["report"].get("page", "Page")
    return page


def text_of(run: Path) -> str:
    text: str = join(RunFolder(run), ("report",), 0).rows["report"].get("text", "Text")
    return text


def made(path: Path, recipe: Recipe) -> str:
    build(path, recipe)
    assert report.main(["--run", str(path)]) == 0
    return page_of(path)


def section(html: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', html, re.S)
    assert found, name
    return found[0]
