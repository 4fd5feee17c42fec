"""The pages, as HTML: a grid of samples, one sample, what was declined.

in    the index, the filter and the page that an address asks for
out   text; all texts of users and models are escaped by the templates

Pages hold no script and no style of their own: colours are SVG attributes, or classes of a
stylesheet that is made from the run's labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pipeline.config import Config
from pipeline.documents import Edit, Sample, Source
from training.browse_index import Declined, Entry, Index
from training.browse_pictures import Pictures, Traced
from training.report_pictures import colours

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
ON_A_PAGE, ROWS = 24, 100


@dataclass(frozen=True, slots=True)
class Turn:
    """One edit and the pictures on both sides of it; `before` and `after` are names of pictures,
    "" where the run does not keep them."""

    edit: Edit
    object: str
    outline: Traced | None
    before: str
    after: str


@dataclass(frozen=True)
class Site:
    """All pages of one run. `name` is the run folder's."""

    name: str
    config: Config
    index: Index
    pictures: Pictures
    families: dict[str, str] = field(default_factory=dict)

    def samples(self, asked: Mapping[str, str]) -> str:
        """The grid, filtered."""
        chosen = self.index.filter(asked)
        found = self.index.choose(chosen)
        page, pages = _page(asked, len(found), ON_A_PAGE)
        shown = found[page * ON_A_PAGE : (page + 1) * ON_A_PAGE]
        return self._fill(
            "browse.html.j2", here="samples", entries=shown, total=len(found), chosen=chosen,
            page=page, pages=pages, links=_links("/", chosen.given, page, pages),
            query=_query(chosen.given), choices=self.index.choices,
        )  # fmt: skip

    def sample(self, key: str, asked: Mapping[str, str]) -> str | None:
        """One sample with its turns, maps and facts; None if there is none of this key."""
        entry = self.index.by_key.get(key)
        if entry is None:
            return None
        sample, chosen = self.pictures.sample(entry), self.index.filter(asked)
        keys = [one.key for one in self.index.choose(chosen)]
        at = keys.index(key) if key in keys else -1
        outlines = self.pictures.outlines(entry, sample) if sample else []
        return self._fill(
            "browse_sample.html.j2", here="", entry=entry, sample=sample, outlines=outlines,
            turns=self._turns(entry, sample, outlines), facts=_facts(sample),
            imported=bool(sample and sample.source.base == "unknown"),
            predictions=self.pictures.predicted(entry), query=_query(chosen.given),
            declined=[item for item in self.index.declined if item.key == key],
            before=keys[at - 1] if at > 0 else "", after=keys[at + 1] if 0 <= at < len(keys) - 1
            else "", place=at + 1, total=len(keys),
        )  # fmt: skip

    def rejects(self, asked: Mapping[str, str]) -> str:
        """What was declined, with its reasons."""
        reasons = self.index.reasons()
        reason = asked.get("reason", "") if asked.get("reason", "") in reasons else ""
        found: Sequence[Declined] = [
            item for item in self.index.declined if reason in ("", item.reason)
        ]
        page, pages = _page(asked, len(found), ROWS)
        given = {"reason": reason} if reason else {}
        return self._fill(
            "browse_rejects.html.j2", here="rejects", rows=found[page * ROWS : (page + 1) * ROWS],
            total=len(found), reasons=reasons, reason=reason, page=page, pages=pages,
            links=_links("/rejects", given, page, pages), known=self.index.by_key,
        )  # fmt: skip

    def error(self, code: int, sentence: str) -> str:
        return self._fill("browse_error.html.j2", here="", code=code, sentence=sentence)

    def stylesheet(self) -> str:
        """The colours of the families, as classes `family-<label>`."""
        labels = {name: self.config.families[name] for name in self.families}
        return "".join(f".family-{labels[name]}{{--family:{shown}}}\n"
                       for name, shown in self.families.items())  # fmt: skip

    def _turns(self, entry: Entry, sample: Sample | None, outlines: Sequence[Traced]) -> list[Turn]:
        found: list[Turn] = []
        if sample is None:
            return found
        before = "base"
        for number, edit in enumerate(sample.edits):
            outline = outlines[number] if outlines else None
            after = f"turn-{edit.turn}"
            found.append(Turn(edit, sample.regions[edit.region].name, outline,
                              self._there(entry, before), self._there(entry, after)))  # fmt: skip
            before = after
        return found

    def _there(self, entry: Entry, name: str) -> str:
        return name if self.pictures.file(entry, name) is not None else ""

    def _fill(self, template: str, **given: Any) -> str:
        labels = self.config.families
        return _jinja().get_template(template).render(
            name=self.name, labels=labels, families=sorted(labels, key=lambda one: labels[one]),
            **given,
        )  # fmt: skip


def site(name: str, config: Config, index: Index, pictures: Pictures) -> Site:
    return Site(name, config, index, pictures, colours(config))


@cache
def _jinja() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _page(asked: Mapping[str, str], total: int, size: int) -> tuple[int, int]:
    """The page that is asked for, from 0, and how many there are; a number out of range is the
    nearest one within."""
    pages = max(1, -(-total // size))
    text = asked.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
    return min(max(number, 1), pages) - 1, pages


def _query(given: Mapping[str, str], **more: object) -> str:
    """`?a=b&c=d`, or nothing."""
    found = urlencode({**given, **more})
    return f"?{found}" if found else ""


def _links(path: str, given: Mapping[str, str], page: int, pages: int) -> dict[str, str]:
    """Addresses of the pages around `page`, "" where there is none."""

    def to(number: int) -> str:
        inside = 0 <= number < pages and number != page
        return path + _query(given, page=number + 1) if inside else ""

    return {"first": to(0), "prev": to(page - 1), "next": to(page + 1), "last": to(pages - 1)}


def _facts(sample: Sample | None) -> list[tuple[str, str]]:
    """What is known about the source, for a list of terms; nothing that is empty."""
    if sample is None:
        return []
    source: Source = sample.source
    width, height = source.size
    given = [
        ("photograph", source.file), ("caption", source.caption), ("base", source.base),
        ("painted by", source.family), ("author", source.author), ("licence", source.licence),
        ("published at", source.url), ("size", f"{width} × {height} px" if width else ""),
        ("source", source.source_id), ("planned turns", str(sample.planned)),
        ("judge", sample.score.reason), ("notes", "; ".join(source.notes)),
    ]  # fmt: skip
    unknown = {"base", "source", "planned turns", "judge"} if source.base == "unknown" else set()
    return [(term, text) for term, text in given if text and term not in unknown]
