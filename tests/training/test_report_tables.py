"""Tables of scores, cell by cell: ours beside the paper's, what was not run, how it is written."""

from __future__ import annotations

import unicodedata
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline import protocols
from pipeline.config import Config, ProtocolName
from pipeline.documents import Curve, Figure, Metrics
from tests.training import report_scores
from tests.training.report_run import FAMILIES, HOSTILE
from training import report_conditions, report_notes, report_severity
from training.paper import PUBLISHED
from training.report_markdown import escape
from training.report_tables import Scored, Table, tables

EVERY: dict[str, Any] = {
    "families": FAMILIES,
    "detectors": {
        "fcn8s": {}, "deeplabv3plus": {}, "cnnspot": {"tasks": ("image",)},
        "universalfakedet": {"tasks": ("image",)},
    },
    "protocols": {name: () for name in protocols.PROTOCOLS},
    "holdouts": (("flux", "hunyuan"), ("sd2", "sd35"), ("glide", "kolors")),
    "replays": {"sdxl_lora": "sdxl"}, "reals": {"negatives": 8},
}  # fmt: skip


def config_of(**given: Any) -> Config:
    return Config.model_validate(EVERY | given)


def row(protocol: ProtocolName, condition: str = "clean", **given: Any) -> Metrics:
    """A binary row of DeepLabV3+ with an accuracy alone, but for what is `given`."""
    known: dict[str, Any] = {
        "protocol": protocol, "condition": condition, "detector": "deeplabv3plus",
        "task": "binary", "subset": "all", "split": "val", "size": 512, "samples": 7,
        "figures": {"accuracy": Figure(value=0.9125, low=0.9, high=0.92)},
    }  # fmt: skip
    return Metrics.model_validate(known | given)


def made(*rows: Metrics, config: Config | None = None, tiny: bool = False) -> list[Table]:
    name = rows[0].protocol
    scored = Scored(config or config_of(), {name: rows}, {}, tiny)  # type: ignore[dict-item]
    return list(tables(scored)[name])  # type: ignore[index]


def lines(table: Table) -> list[dict[str, tuple[str, str]]]:
    """Each row as head -> (text, more); a column of the paper's is named after what it is beside:
    `paper: accuracy`."""
    heads: list[str] = []
    for column in table.columns:
        heads.append(f"paper: {heads[-1]}" if column.kind == "paper" else column.head)
    assert len(set(heads)) == len(heads)
    return [dict(zip(heads, ((cell.text, cell.more) for cell in row), strict=True))
            for row in table.rows]  # fmt: skip


def test_ours_stands_beside_the_papers_with_its_interval() -> None:
    (table,) = made(row("table2"))
    assert table.title == "Localisation and attribution (table 2)"
    assert lines(table) == [{
        "detector": ("deeplabv3plus", "paper recipe"), "task": ("binary", ""),
        "accuracy": ("0.912", "0.900–0.920"), "paper: accuracy": ("0.984", ""),
        "pictures": ("7", ""), "size": ("512 px", ""),
    }]  # fmt: skip


def test_all_that_the_paper_published_finds_its_row_and_only_there() -> None:
    config, found = config_of(), []
    for name, trials in protocols.evaluations(config).items():
        for trial in trials:
            found += [report_conditions.published(config, one)
                      for one in report_scores.rows(config, name, trial)]  # fmt: skip
    there = [one for one in found if one]
    assert len(there) == len(PUBLISHED) == len({id(one) for one in there})
    assert {one.where for one in there} == {one.where for one in PUBLISHED}


def test_the_tables_hold_what_was_published_and_nothing_else() -> None:
    config = config_of()
    rows = {name: tuple(one for trial in trials for one in report_scores.rows(config, name, trial))
            for name, trials in protocols.evaluations(config).items()}  # fmt: skip
    shown = sorted(
        float(cell.text)
        for some in tables(Scored(config, rows)).values() for table in some for line in table.rows
        for column, cell in zip(table.columns, line, strict=True)
        if column.kind == "paper" and cell.text
    )  # fmt: skip
    assert shown == sorted(value for one in PUBLISHED for value in one.figures.values())
    assert set(tables(Scored(config, rows))) == set(protocols.PROTOCOLS)


@pytest.mark.parametrize(
    ("protocol", "condition", "given", "papers"),
    [
        ("table3", "jpeg-60", {}, "0.867"),
        ("table3", "jpeg-60-stored", {}, None),
        ("table3", "jpeg-60", {"detector": "fcn8s"}, None),
        ("table5", "clean", {}, "0.984"),
        ("table5", "flux-hunyuan-a", {}, None),
        ("table5", "flux-hunyuan-a", {"subset": "without-flux-hunyuan"}, "0.920"),
        ("table5", "flux-hunyuan-b", {"subset": "without-flux-hunyuan"}, None),
        ("table5", "flux-hunyuan-c", {"subset": "without-flux-hunyuan"}, None),
        ("table2", "merged", {}, None),
        ("turns", "all", {"subset": "single-turn"}, None),
        ("severity", "jpeg-60", {}, None),
    ],
)
def test_a_row_that_the_paper_has_not_has_no_figure_of_it(
    protocol: ProtocolName, condition: str, given: dict[str, Any], papers: str | None
) -> None:
    (line,) = lines(made(row(protocol, condition, **given))[0])
    assert line.get("paper: accuracy") == (None if papers is None else (papers, ""))
    assert line["accuracy"] == ("0.912", "0.900–0.920")


def test_a_hold_out_in_any_order_is_the_papers_pair_and_another_is_not() -> None:
    for group, papers in ((["hunyuan", "flux"], True), (["flux", "sdxl"], False)):
        config = config_of(holdouts=(tuple(group),))
        one = row("table5", "-".join(group) + "-a", subset="without-" + "-".join(group))
        (line,) = lines(made(one, config=config)[0])
        assert ("paper: accuracy" in line) == papers
        assert line["trained on"] == (f"all but {group[0]}, {group[1]}", "")


@pytest.mark.parametrize(
    ("sizes", "diagonal", "davis"),
    [((512,), "5.4", "6"), ((512, 256, 1024), "2.7–10.9", "3–12"), ((128,), "1.4", "2")],
)
def test_every_boundary_f1_names_its_tolerance(
    sizes: tuple[int, ...], diagonal: str, davis: str
) -> None:
    names = ("bf1_2px", "bf1_diagonal", "bf1_davis")
    figures = {name: Figure(value=0.5) for name in names}
    (table,) = made(*(row("turns", "all", size=size, figures=figures) for size in sizes))
    heads = [column.head for column in table.columns if column.kind == "figure"]
    assert heads == [
        "bF1 at 2 px", f"bF1 at 0.75 % of the diagonal = {diagonal} px",
        f"bF1 at 0.8 % of the diagonal, rounded up (DAVIS) = {davis} px",
    ]  # fmt: skip


def test_the_papers_boundary_f1_is_marked_as_without_a_tolerance() -> None:
    (table,) = made(row("table2", figures={"bf1_2px": Figure(value=0.5)}))
    assert [c.head for c in table.columns if c.kind == "paper"] == ["paper, tolerance not named"]
    assert any("does not name the tolerance" in note for note in table.notes)


def test_a_set_without_pictures_has_dashes_and_says_why() -> None:
    empty = row("table5", "flux-hunyuan-c", samples=0, figures={"accuracy": Figure(value=None)})
    (table,) = made(row("table5"), empty)
    assert [line["accuracy"] for line in lines(table)] == [("0.912", "0.900–0.920"), ("–", "")]
    bare = row("classifiers", "clean-share", samples=0, figures={}, notes=("no dev slice",))
    (table_of_maps,) = made(row("classifiers", "clean-top1"), bare)
    assert lines(table_of_maps)[1]["accuracy"] == ("–", "")
    assert table_of_maps.notes[-1] == "val; share of pixels called edited: no dev slice."
    (note,) = (note for note in table.notes if note.startswith("C: "))
    assert note == ("C: edited by flux or hunyuan alone: no picture of val belongs to this set, so "
                    "there is nothing to score.")  # fmt: skip


def test_table_4_is_about_one_family() -> None:
    names = ("sdxl-lora-stored", "sdxl-lora-replayed", "sdxl-lora-stored-all")
    given = {"task": "semantic", "iou": {"sd2": 0.1, "sdxl": 0.25}}
    figures = {"accuracy": Figure(value=0.5), "iou": Figure(value=0.25, low=0.2, high=0.3)}
    first, second = made(*(row("table4", name, figures=figures, **given) for name in names))
    assert [line["paper: IoU of sdxl"][0] for line in lines(first)] == ["0.657", "0.630", ""]
    assert lines(first)[0]["IoU of sdxl"] == ("0.250", "0.200–0.300")
    assert [line["scored on"][0] for line in lines(first)] == [
        "as painted, samples with sdxl", "painted again by sdxl_lora, samples with sdxl",
        "as painted, all of val",
    ]  # fmt: skip
    assert [line["sdxl"] for line in lines(second)] == [("0.250", "")] * 3


def test_rows_on_tiny_weights_say_so() -> None:
    rows = (row("table2"), row("table2", task="semantic"), row("table2", detector="fcn8s"))
    for tiny in (True, False):
        (table,) = made(*rows, tiny=tiny)
        assert [("tiny weights" in cells["detector"][1]) for cells in lines(table)] == [tiny] * 3


def test_how_a_detector_differs_from_the_papers_is_said() -> None:
    unlike = {"encoder": "resnet18", "size": 64, "pretrained": False, "steps": 1000,
              "recipe": "modern"}  # fmt: skip
    config = config_of(detectors={"deeplabv3plus": unlike, "fcn8s": {}})
    (table,) = made(row("table2"), row("table2", detector="fcn8s"), config=config)
    (said,) = (note for note in table.notes if "not built as the paper's" in note)
    assert said == (
        "deeplabv3plus is not built as the paper's: its encoder is resnet18, not resnet50; its "
        "recipe is 'modern', not that of the paper's repository; it sees 64 px, not 512; it starts "
        "from random weights, not from pretrained ones; it is trained for 1,000 steps, as the "
        "config says."
    )


def test_notes_of_evaluations_stand_once_with_what_they_are_about() -> None:
    noted = {"notes": ("distorted",)}
    (table,) = made(
        row("table3"), row("table3", "jpeg-60", **noted), row("table3", "jpeg-80", **noted),
        row("table3", "jpeg-80", task="semantic", notes=("distorted", "alone.")),
    )  # fmt: skip
    assert table.notes[-2:] == (
        "JPEG 60 / JPEG 80: distorted.",
        "deeplabv3plus, semantic, all families, JPEG 80: alone.",
    )
    many = [row("severity", f"jpeg-{n}", **noted) for n in range(50, 60)]
    assert made(*many)[0].notes[-1] == "All rows: distorted."
    assert made(row("severity"), *many)[0].notes[-1] == "10 of 11 rows: distorted."


def test_what_was_not_run_has_no_table_but_a_line_with_its_key() -> None:
    config = config_of(protocols={"table2": (), "table6": ()},
                       detectors={"deeplabv3plus": {}})  # fmt: skip
    assert set(tables(Scored(config, {"table2": (row("table2"),), "table3": ()}))) == {"table2"}
    told = report_notes.absent(config, ["table2"])
    assert len(told) == len(protocols.PROTOCOLS) - 1
    assert told[0] == ("Robustness to JPEG and resizing (table 3): was not run, the key "
                       "protocols.table3 of the config makes it.")  # fmt: skip
    by_key = {name: next(line for line in told if f"protocols.{name} " in line)
              for name in protocols.PROTOCOLS if name != "table2"}  # fmt: skip
    assert "a detector with the task image" in by_key["table6"]
    assert "(with holdouts filled in)" in by_key["table5"]
    assert "(with reals.negatives and holdouts filled in)" in by_key["table7"]
    assert "(with replays filled in)" in by_key["table4"]
    assert "was not run yet" in report_notes.absent(config, [])[0]


@pytest.mark.parametrize("name", list(protocols.PROTOCOLS))
def test_every_reading_is_one_or_two_plain_sentences(name: ProtocolName) -> None:
    for note in report_notes.NOTES[name]:
        assert note.endswith(".") and note.count(". ") + 1 <= 2, note
        assert "\n" not in note and "  " not in note


def test_figures_of_no_known_name_are_shown_as_they_are_called() -> None:
    (table,) = made(row("table2", figures={"pixels_per_cat": Figure(value=0.5)}))
    assert lines(table)[0]["pixels per cat"] == ("0.500", "")


@pytest.mark.parametrize(
    ("protocol", "condition", "words"),
    [
        ("severity", "rescale-0.5", "rescaled and back 0.5"),
        ("table3", "resize-1024", "input size 1024 px"),
        ("table3", "jpeg-80-stored", "JPEG 80 (stored picture)"),
        ("table5", "sd2-sd35-a", "A: with an edit by sd2 or sd35, pixels of others ignored"),
        ("table7", "sd2-sd35-a", "A: with an edit by sd2 or sd35"),
        ("classifiers", "clean-share-0", "val; any pixel called edited"),
        ("classifiers", "sd2-sd35-c-top1",
         "C: edited by sd2 or sd35 alone; mean of the upper 1 % of probabilities"),
        ("table6", "ai-bases", "AI-made bases, unedited"),
        ("table2", "who-knows", "who-knows"),
    ],
)  # fmt: skip
def test_conditions_in_words(protocol: str, condition: str, words: str) -> None:
    assert report_conditions.scored_on(config_of(), protocol, condition) == words


def test_a_classifiers_row_has_the_setup_of_what_segments() -> None:
    curve = Curve(detector="deeplabv3plus", task="binary", encoder="resnet9", classes=2, labels={},
                  size=64, resampler="", recipe={}, steps=1, batch=1, processes=1, samples=1,
                  loss=(), best_step=1, seconds=1.0)  # fmt: skip
    scored = Scored(config_of(), {}, {"deeplabv3plus-binary": curve})
    one = row("classifiers", "clean-top1", task="image")
    assert scored.setup(one) == "resnet9 · paper recipe"


def test_severity_is_drawn_by_distortion_and_task() -> None:
    rows = [
        row("severity", f"jpeg-{quality}", detector=detector,
            figures={"miou": Figure(value=quality / 100, low=0.1, high=0.9)})
        for quality in (50, 95, 80) for detector in ("fcn8s", "deeplabv3plus")
    ]  # fmt: skip
    (plot,) = report_severity.plots([row("severity"), *rows, row("severity", "crop-0.5")])
    assert plot.title == "JPEG, binary"
    assert "fcn8s mIoU 95: 0.950, 80: 0.800, 50: 0.500" in str(plot.svg)
    assert report_severity.plots([]) == []


COMMONMARK = MarkdownIt("commonmark").enable("table")


@given(st.text(max_size=40))
@example("# head")
@example("1. one")
@example("a | b")
@example("https://e.org www.e.org ![x](y) [x]: y")
@example("==")
def test_any_text_in_markdown_is_shown_as_it_is(text: str) -> None:
    flat = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    plain, safe = " ".join(flat.split()), escape(text)
    for source, head, tail in (
        (f"- {safe}", "<ul>\n<li>", "</li>\n</ul>\n"), (f"x {safe} x", "<p>x ", " x</p>\n"),
    ):  # fmt: skip
        html = COMMONMARK.render(source)
        assert html.startswith(head) and html.endswith(tail)
        assert unescape(html[len(head) : -len(tail)]) == plain
    table = COMMONMARK.render(f"| a |\n| --- |\n| {safe} |\n")
    assert unescape(table.split("<td>")[1].split("</td>")[0]) == plain


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_markdown_is_text(text: str) -> None:
    assert "<" not in escape(text) and "{{" not in escape(text)
