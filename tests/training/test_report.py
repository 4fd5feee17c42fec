"""The report: complete, escaped, self-contained, the same every time, and never at a loss."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config import Config
from pipeline.errors import TRANSIENT, InputError, guard
from pipeline.protocols import PROTOCOLS
from pipeline.shards import Row, RunFolder
from pipeline.stage import read_run
from tests.training.report_read import COMMONMARK, Parsed, made, page_of, section, text_of
from tests.training.report_run import FAMILIES, HOSTILE, Recipe, build
from training import report, report_data, report_pictures, report_sheet, report_trials
from training.paper import PUBLISHED

SECTIONS = (
    "samples", "filtered", "statistics", "balance", "scores", "predictions", "training",
    "provenance", "stages", "cost", "rejects", "credits",
)  # fmt: skip
#: Those that say when something ran, or how long.
TIMED = {"stages", "provenance", "cost"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "run"
    made(path, Recipe())
    return path


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return page_of(run)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("hostile") / "run", Recipe(hostile=True, said=HOSTILE))


def test_the_page_has_every_section_in_order(html: str) -> None:
    places = [html.index(f'<section id="{name}">') for name in SECTIONS]
    assert places == sorted(places)
    assert "Tiny random weights paint noise" in html
    assert len(html) < 8e6


def test_every_family_is_shown_and_val_comes_first(html: str) -> None:
    sheet = section(html, "samples")
    for family in FAMILIES:
        assert re.search(rf"</span>{family}</b>\s*<span>turn \d,", sheet), family
    splits = re.findall(r'<span class="tag(?: val)?">(val|train)</span>', sheet)
    assert len(splits) == 12 and splits == sorted(splits, reverse=True) and "val" in splits
    for task in ("binary", "semantic"):
        assert sheet.count(f">{task}, deeplabv3plus<") == splits.count("val")


def test_scores_stages_rejects_and_credits_are_told(html: str) -> None:
    assert "bF1 at 2 px" in section(html, "scores")
    stages = section(html, "stages")
    assert "<summary>edit-1-*</summary>" in stages and ">edit-1-kandinsky<" in stages
    rejects = section(html, "rejects")
    assert "<td>turn skipped</td><td>noop-edit</td>" in rejects
    assert "<td>filtered</td><td>low-score</td>" in rejects
    credited = section(html, "credits")
    assert re.search(
        r">coffee.jpg<.*>a wooden bench<.*>CC0<.*>https://example.org/coffee<", credited
    )
    assert "Kandinsky 2.2" in credited


def test_the_balance_of_the_plan_is_told(html: str) -> None:
    for cell, times in {"50.0%": 4, "7": 2, "8": 2, "+0.0": 2, "+1.5": 2, "3": 4}.items():
        assert section(html, "balance").count(f'<td class="n">{cell}</td>') == times
    assert section(html, "balance").count("<details open>") == 1, "the ratio of turns"


def test_real_weights_get_no_note_about_noise(tmp_path: Path) -> None:
    assert "paint noise" not in made(tmp_path / "run", Recipe(samples=4, weights="local"))


def test_hostile_text_stays_text(hostile: str) -> None:
    parsed = Parsed(hostile)
    bad = {"script", "iframe", "object", "base", "form"}
    assert bad.isdisjoint(tag for tag, _ in parsed.tags)
    assert len(parsed.having("style")) == 1 and "</style><svg" not in hostile
    for tag, attrs in parsed.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
    for text in HOSTILE[:4] + HOSTILE[5:]:
        assert text in parsed.text, text
    assert "<script" not in hostile


def test_hostile_categories_are_labels_of_the_plots(hostile: str) -> None:
    labels = section(hostile, "statistics")
    assert "&lt;script&gt;alert(1)&l" in labels
    assert "$\\frac{a}{b}$ %s" in labels and "{{7*7}}" in labels


@pytest.mark.parametrize("name", ["html", "hostile"])
def test_nothing_is_loaded_from_anywhere(name: str, request: pytest.FixtureRequest) -> None:
    page: str = request.getfixturevalue(name)
    parsed = Parsed(page)
    policies = [m["content"] for m in parsed.having("meta") if m.get("http-equiv")]
    assert policies and policies[0]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in policies[0]
    for tag, attrs in parsed.tags:
        for attribute in ("src", "href", "xlink:href", "srcset", "action", "data"):
            value = attrs.get(attribute) or "#"
            assert value.startswith(("data:", "#")), (tag, attribute, value)
        assert "url(" not in (attrs.get("style") or "").replace("url(#", "")
    style = page[page.index("<style>") : page.index("</style>")]
    assert "@import" not in style and "http" not in style and "url(" not in style
    bare = re.sub(r">[^<]*<", "><", page)  # what the tags say; a credit may tell an address
    assert "http" not in re.sub(r'http-equiv="', "", bare)


def test_pictures_are_pictures_and_plots_have_words(html: str) -> None:
    parsed = Parsed(html)
    for img in parsed.having("img"):
        head, data = str(img["src"]).split(",")
        assert head == "data:image/png;base64" and img["alt"]
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    plots = [svg for svg in parsed.having("svg") if svg.get("role") == "img"]
    assert len(plots) == 6 + 1 + 2 + 2 + 1 and all(svg["aria-label"] for svg in plots)
    assert "<metadata" not in html and html.count("<style") == 1


@pytest.mark.slow
def test_the_same_run_gives_the_same_page_but_for_times(html: str, tmp_path: Path) -> None:
    assert made(tmp_path / "same", Recipe()) == html
    later = made(tmp_path / "later", Recipe(later=5e5))
    for name in SECTIONS:
        assert (section(later, name) == section(html, name)) == (name not in TIMED), name


@pytest.mark.parametrize(
    "recipe, where, said",
    [
        (Recipe(samples=9, val=False), "samples", "train</span>"),
        (Recipe(samples=9, detectors=False), "scores", "no detectors"),
        (Recipe(samples=9, filtered=False), "filtered", "No sample was filtered"),
        (Recipe(samples=9, edits=False), "samples", "nothing to show"),
        (Recipe(samples=9, edits=False), "statistics", "nothing to count"),
        (Recipe(samples=1, filtered=False), "rejects", "Nothing was declined"),
        (Recipe(samples=9, edits=False, detectors=False, filtered=False), "scores", "no detectors"),
        (Recipe(samples=9, ignored={".txt": 3, "": 1}), "rejects", "3 .txt, 1 without a suffix."),
        (
            Recipe(samples=9, notes=("annotation 7 (<cat>) has no usable mask: ignored",)),
            "rejects",
            "annotation 7 (&lt;cat&gt;) has no usable mask",
        ),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, recipe: Recipe, where: str, said: str) -> None:
    html = made(tmp_path / "run", recipe)
    assert said in section(html, where)


def test_quarantined_samples_are_counted_where_the_kept_ones_are(html: str, tmp_path: Path) -> None:
    tile = r'<dt>quarantined samples</dt><dd>(?:<a href="#rejects">)?([\d,]+)'
    lost = made(tmp_path / "run", Recipe(samples=4, lost=1234))
    assert [re.findall(tile, page) for page in (html, lost)] == [["0"], ["1,234"]]


@pytest.mark.parametrize(
    "recipe, known",
    [(Recipe(samples=8), True), (Recipe(samples=8, tasks=("semantic",)), False),
     (Recipe(samples=8, detectors=False), False)],
)  # fmt: skip
def test_the_legend_has_the_colour_of_a_binary_detector_only_with_one(
    tmp_path: Path, recipe: Recipe, known: bool
) -> None:
    assert ("binary prediction" in section(made(tmp_path / "run", recipe), "samples")) == known


def test_an_addition_says_what_was_replaced_by_what(html: str) -> None:
    told = re.findall(r"<span>turn \d, (\w+): ([^<]*)</span>", section(html, "samples"))
    assert {kind for kind, _ in told} == {"addition", "removal", "attribute"}
    for kind, what in told:
        assert what.endswith(" replaced by") == (kind == "addition"), (kind, what)


def test_every_column_of_the_targets_has_its_number(html: str) -> None:
    """The kept samples by turns, counted from the run that was made: also where they are few."""
    turns = [min(3, 1 + n // 2 % 4) - (n % 7 == 2 and n // 2 % 4 > 0) for n in range(24)]
    kept = [n for i, n in enumerate(turns) if i % 6 != 5]
    plot = section(html, "statistics").split("(d) Pictures", 1)[1].split("</figure>")[0]
    for n in set(kept):
        assert f">{kept.count(n)} of {len(kept)}<" in plot


def test_pictures_that_were_cleared_away_are_missed_politely(tmp_path: Path) -> None:
    run = build(tmp_path / "run", Recipe(samples=8))
    for dataset in ("edit-*", "segment", "ingest"):
        for manifest in run.glob(f"**/{dataset}/*.json"):
            manifest.unlink()
    assert report.main(["--run", str(run)]) == 0
    sheet = section(page_of(run), "samples")
    assert "does not keep the picture" in sheet and '<path class="halo"' in sheet


def test_it_waits_for_its_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = build(tmp_path / "run", Recipe(samples=8))
    RunFolder(run).manifest_path("index", 0).unlink()
    assert guard(report.main, ["--run", str(run)]) == TRANSIENT
    assert "index has no shard 00000 yet" in capsys.readouterr().err


def test_a_committed_report_is_left_alone_and_costs_nothing(run: Path) -> None:
    code = (
        "import sys; from training import report; assert report.main(sys.argv[1:]) == 0;"
        "heavy = {'numpy', 'matplotlib', 'jinja2', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    manifest = RunFolder(run).manifest_path("report", 0)
    before = manifest.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", code, "--run", str(run)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "1 skipped (committed before)" in done.stdout
    assert manifest.read_bytes() == before


def test_what_was_read_is_in_the_manifest(run: Path) -> None:
    parents = RunFolder(run).manifest("report", 0).parents
    some = {"assemble-train/00000", "index/00000", "train-deeplabv3plus-binary/00000"}
    assert some <= parents.keys()
    for name, sha in parents.items():
        dataset, shard = name.split("/")
        assert RunFolder(run).manifest(dataset, int(shard)).sha256 == sha


@pytest.mark.slow
def test_weights_are_not_read_and_pictures_only_of_those_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen, raw = build(tmp_path / "run", Recipe(samples=80)), list[str](), Row.raw

    def spy(row: Row, name: str) -> bytes | None:
        seen.append(f"{row.key} {name}")
        return raw(row, name)

    monkeypatch.setattr(Row, "raw", spy)
    assert report.main(["--run", str(run)]) == 0
    assert not [name for name in seen if name.endswith(".safetensors")]
    shown = {name.split()[0] for name in seen if name.endswith("image.png")}
    assert 12 <= len(shown) <= report_sheet.ROWS + report_sheet.STRIP
    assert sum("sample.json" in name for name in seen) == 80


def test_an_outline_runs_along_the_edges_of_the_pixels() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 0:2] = True
    path, side = report_pictures.outline(mask)
    assert side == 4
    assert sorted(re.findall(r"M\d+ \d+[hv]\d+", path)) == ["M0 1h2", "M0 1v2", "M0 3h2", "M2 1v2"]
    large, side = report_pictures.outline(np.ones((1024, 1024), bool))
    assert side == 256 and large.startswith("M0 0h256")
    assert report_pictures.outline(np.zeros((4, 4), bool))[0] == ""


def test_a_label_map_keeps_its_labels_apart() -> None:
    labels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    data = base64.b64decode(report_pictures.map_uri(labels).split(",")[1])
    rgba = np.array(Image.open(io.BytesIO(data)).convert("RGBA")).reshape(9, 4)
    assert rgba[:, 3].tolist() == [0] + [255] * 8
    for label in range(1, 9):
        assert "#{:02X}{:02X}{:02X}".format(*rgba[label, :3]) == report_pictures.colour(label)
    binary = base64.b64decode(report_pictures.map_uri(labels, binary=True).split(",")[1])
    assert (np.array(Image.open(io.BytesIO(binary)).convert("RGB")).reshape(9, 3)[1:] == 255).all()
    assert len({report_pictures.colour(label) for label in range(1, 61)}) == 60


def test_large_photographs_are_made_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    uri = report_pictures.photo_uri(noise)
    assert uri.startswith("data:image/jpeg") and len(uri) < 250_000


def test_a_column_is_a_kind_of_picture(run: Path) -> None:
    config: Config = read_run(run)
    library = report_data.Library(RunFolder(run), config)
    samples = list(report_data.samples(library))
    trials = report_trials.trials(library, report_trials.scores(library))
    cards = report_sheet.sheet(library, samples, trials, {})
    assert report_sheet.grid(cards) == (7, "5")
    assert report_sheet.grid([]) == (5, "2")
    assert [card.kept.key for card in report_sheet.sheet(library, samples[::-1], trials, {})] != []


def test_nothing_is_shown_of_protocols_that_were_not_run(run: Path, html: str) -> None:
    scores, text = section(html, "scores"), text_of(run)
    assert re.findall(r'<div id="(\w+)" class="protocol">', scores) == ["table2"]
    assert scores.count("was not run") == text.count("was not run") == len(PROTOCOLS) - 1
    theirs = re.findall(r'<td class="n theirs">([\d.]+)</td>', scores)
    known = {f"{value:.3f}" for one in PUBLISHED if one.protocol == "table2"
             and one.detector == "deeplabv3plus" for value in one.figures.values()}  # fmt: skip
    assert set(theirs) == known and len(theirs) == 6
    for figure in ("0.942", "0.657", "0.867", "0.566"):
        assert figure not in scores and figure not in text


def test_a_run_without_detectors_says_so_in_both(tmp_path: Path) -> None:
    path = tmp_path / "run"
    html = made(path, Recipe(samples=9, detectors=False))
    assert "no detectors" in text_of(path) and "no detectors" in section(html, "scores")
    assert '<section id="training">' not in html and '<section id="predictions">' not in html
    assert "n theirs" not in html and "|" in text_of(path)


def test_provenance_names_weights_machines_and_waiting(run: Path, html: str) -> None:
    told, sha = section(html, "provenance"), hashlib.sha256(b"weights").hexdigest()[:16]
    for text in (sha, "a processor", "2.5%", ">here<", "d1e5" * 16, "Python 3.", ">200<", "40 s"):
        assert text in told, text
    assert sha in text_of(run) and "2.5%" in text_of(run)


def test_hostile_text_is_inert_in_markdown(tmp_path: Path) -> None:
    path = build(tmp_path / "run", Recipe(samples=8, hostile=True, said=HOSTILE))
    page, text = (found.read_text() for found in report.again(path))
    html = COMMONMARK.render(text)
    tags = {tag for tag, attrs in Parsed(html).tags}
    assert tags <= {"h1", "h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr",
                    "th", "td"}  # fmt: skip
    assert "{{" not in text and "<" not in text
    for said in (*HOSTILE[:4], *HOSTILE[5:]):
        assert said in Parsed(html).text and said in Parsed(page).text, said


def test_it_is_told_again_as_it_was_committed(run: Path, tmp_path: Path) -> None:
    html, text = report.again(shutil.copytree(run, tmp_path / "run"))
    assert html.read_text() == page_of(run) and text.read_text() == text_of(run)


def test_it_is_told_again_of_runs_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        report.again(tmp_path)
