"""Faults to plant, each into what the project really ships, and the gates that must find them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python
import yaml
from helm_python import Chart

from pipeline.argo_yaml import as_yaml
from pipeline.code import ROOT
from pipeline.lint import Found, lint
from pipeline.lint_tree import mapping

Doc = dict[str, Any]
CHART = ROOT / "charts/palimpsest"
WORKFLOW = CHART / "files/workflows/demo.yaml"
NAMED = ROOT / "manifests/base/workflowtemplate-palimpsest-demo.yaml"
DOCKERFILE = ROOT / "images/base/Dockerfile"


@dataclass(frozen=True)
class Fault:
    """`plant` changes something sound in place; one line of the gate must then hold `said`."""

    name: str
    plant: Callable[[Any], object]
    said: str


def linted(*paths: Path) -> list[str]:
    """The lines of `palimpsest lint`, without the file's name."""
    found = lint(list(paths), Found())
    return [": ".join(filter(None, (fault.where, fault.text))) for _, fault in found]


def workflow_lint(folder: Path, plant: Callable[[Doc], object]) -> list[str]:
    doc = yaml.load(WORKFLOW.read_text(), yaml.CSafeLoader)
    plant(doc)
    (folder / "workflow.yaml").write_text(as_yaml(doc))
    return linted(folder / "workflow.yaml")


def text_lint(folder: Path, plant: Callable[[str], str]) -> list[str]:
    (folder / "workflow.yaml").write_text(plant(WORKFLOW.read_text()))
    return linted(folder / "workflow.yaml")


def example_lint(folder: Path, plant: Callable[[Doc], object]) -> list[str]:
    """A workflow to submit, beside the template that it names."""
    doc = yaml.safe_load((ROOT / "manifests/examples/train-and-evaluate.yaml").read_text())
    plant(doc)
    (folder / "example.yaml").write_text(as_yaml(doc))
    return linted(folder / "example.yaml", NAMED)


def values(_: Path, plant: Callable[[Doc], object]) -> list[str]:
    """What Helm says of a set of values: its schema, then the chart's own checks."""
    given: Doc = {}
    plant(given)
    try:
        Chart.load(CHART).render(given, name="palimpsest", namespace="lab")
    except helm_python.HelmError as error:
        return [str(error)]
    return []


def chart_copy(folder: Path) -> Path:
    copy = folder / "palimpsest"
    for path in CHART.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(CHART)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return copy


def chart_lint(folder: Path, plant: Callable[[Path], object]) -> list[str]:
    """`helm lint --strict`."""
    chart = chart_copy(folder)
    plant(chart)
    return [str(line) for line in helm_python.lint(chart, strict=True)["errors"]]


def rendered_lint(folder: Path, plant: Callable[[Path], object]) -> list[str]:
    """`palimpsest lint` over what a chart renders."""
    chart = chart_copy(folder)
    plant(chart)
    texts = Chart.load(chart).render({"profiles": ["one-family"]}, name="p", namespace="lab")
    (folder / "all.yaml").write_text(
        "\n---\n".join(text for path, text in texts.items() if path.endswith(".yaml"))
    )
    return linted(folder / "all.yaml")


def dockerfile(folder: Path, plant: Callable[[str], str]) -> list[str]:
    """hadolint."""
    (folder / "Dockerfile").write_text(plant(DOCKERFILE.read_text()))
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, folder / "Dockerfile"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    return done.stdout.splitlines()


def template(doc: Doc, name: str) -> Doc:
    return next(one for one in doc["spec"]["templates"] if one["name"] == name)


def main(doc: Doc, name: str = "plan") -> Doc:
    """The container of a template."""
    return mapping(template(doc, name), "container")


def task(doc: Doc, name: str, dag: str = "partition") -> Doc:
    return next(one for one in template(doc, dag)["dag"]["tasks"] if one["name"] == name)


def moved(holder: Doc, old: str, new: str) -> None:
    """A key by another name."""
    holder[new] = holder.pop(old)


def swap(old: str, new: str) -> Callable[[str], str]:
    """A text with one thing in it replaced, which must be there."""

    def change(text: str) -> str:
        assert old in text, f"nothing to replace: {old!r}"
        return text.replace(old, new, 1)

    return change


def in_file(name: str, old: str, new: str) -> Callable[[Path], object]:
    """The same in a file of a chart."""

    def change(chart: Path) -> object:
        path = chart / name
        return path.write_text(swap(old, new)(path.read_text()))

    return change


def in_job(old: str, new: str) -> Callable[[Doc], object]:
    """The same in the manifest of a training's Job."""

    def change(doc: Doc) -> None:
        resource = template(doc, "train-deeplabv3plus-binary")["resource"]
        resource["manifest"] = swap(old, new)(resource["manifest"])

    return change
