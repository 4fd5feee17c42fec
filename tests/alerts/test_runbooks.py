"""Every alert has a page and every page an alert; what a page tells one to type is there."""

from __future__ import annotations

import re
import shlex
from typing import get_args

import pytest

from pipeline import cli, config, documents
from pipeline.argo_pod import labels as pod_labels
from pipeline.config import Config
from pipeline.dag import dag
from pipeline.sections import Section
from tests.alerts import labels
from tests.alerts.test_alerts import NAMES, ROOT, rule

PAGES = ROOT / "docs" / "runbooks"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
#: Commands and expressions of all pages, where they are wrong named by their page.
TEXTS = {path.name: path.read_text() for path in [*sorted(PAGES.glob("*.md")),
                                                  ROOT / "docs" / "alerting.md"]}  # fmt: skip


def typed(text: str) -> list[str]:
    """The lines of blocks without a language, and what stands in backticks."""
    shown = [line for kind, block in BLOCK.findall(text) if not kind for line in block.splitlines()]
    return [*shown, *re.findall(r"`([^`]+)`", BLOCK.sub("", text))]


def expressions(text: str) -> list[str]:
    return [block for kind, block in BLOCK.findall(text) if kind == "promql"]


def commands(text: str) -> list[list[str]]:
    """Arguments of our own program, on this machine or in a pod."""
    found = []
    for line in typed(text):
        _, inside, rest = " ".join(line.split()).partition("python -m pipeline.cli ")
        if inside or line.startswith("palimpsest "):
            found.append(shlex.split(rest if inside else " ".join(line.split()))[not inside :])
    return found


def test_alerts_and_pages_are_each_others() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_four_parts(name: str) -> None:
    text = TEXTS[f"{name}.md"]
    assert text.startswith(f"# {name}\n")
    parts = re.split(r"^## (\w+)\n", text, flags=re.M)
    assert parts[1::2] == HEADINGS
    assert all(len(part.split()) > 15 for part in parts[2::2])
    assert commands(text) or "kubectl" in parts[6]


@pytest.mark.parametrize("name", NAMES)
def test_the_list_has_it_with_its_severity(name: str) -> None:
    severity = rule(name)["labels"]["severity"]
    assert f"| [{name}]({name}.md) | {severity} |" in TEXTS["README.md"]


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_is_the_programs(page: str) -> None:
    parser = cli.parser()
    for argv in commands(TEXTS[page]):
        try:
            parser.parse_args(argv)
        except SystemExit:
            pytest.fail(f"{page}: palimpsest {shlex.join(argv)}")


def test_commands_are_found_and_wrong_ones_refused() -> None:
    assert sum(len(commands(text)) for text in TEXTS.values()) > 20
    assert commands("`palimpsest gc\nruns/x`") == [["gc", "runs/x"]]
    assert commands("```\nkubectl exec p -- python -m pipeline.cli audit /r\n```") == [
        ["audit", "/r"]
    ]
    with pytest.raises(SystemExit):
        cli.parser().parse_args(commands("`palimpsest audit --quick runs/x`")[0])


@pytest.mark.parametrize("page", TEXTS)
def test_every_expression_selects_what_there_is(page: str) -> None:
    stages = {stage.name: stage for stage in dag(config.load("paper"))}
    for expr in expressions(TEXTS[page]):
        assert labels.of(expr) is not None, expr
        for _, label, value in labels.selected(expr):
            if label in ("stage", "family"):
                assert value in {*stages, *(stage.family for stage in stages.values())}, expr
    assert page in ("README.md", "alerting.md") or expressions(TEXTS[page])


def test_pods_are_chosen_by_labels_that_they_have() -> None:
    known = {*pod_labels("edit", "edit-1-flux", "flux", "3"), "palimpsest.io/role"}
    asked = [one for text in TEXTS.values() for one in re.findall(r" -l (\S+)", text)]
    assert len(asked) > 3
    for one in asked:
        assert {pair.split("=")[0] for pair in one.strip("`").split(",")} <= known


def test_settings_that_are_named_are_there() -> None:
    sections = {
        name: field.annotation for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }  # fmt: skip
    named = set()
    for text in TEXTS.values():
        for section, key in re.findall(r"`(\w+)\.(\w+)(?:: \w+)?`", text):
            if section in sections:
                assert key in sections[section].model_fields, f"{section}.{key}"
                named.add(f"{section}.{key}")
    assert {"editing.batch", "bases.min_side"} <= named


def test_reasons_that_are_explained_are_all() -> None:
    known = {*get_args(documents.FilterReason), *get_args(documents.QuarantineReason)}
    rows = re.findall(r"^\| (`[^|]+) \|", TEXTS["PalimpsestRejectRateHigh.md"], re.M)
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == known


def test_metrics_that_are_named_are_there() -> None:
    for page, text in TEXTS.items():
        for name in re.findall(r"`(palimpsest_\w+)`", text):
            assert labels.of(name), page
