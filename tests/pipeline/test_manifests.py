"""Plain manifests hold what the chart holds: every file is named, and overlays are exact."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from pipeline import config, manifests, pods
from pipeline.argo_pod import Doc
from pipeline.code import ROOT
from pipeline.config import PROFILES
from pipeline.manifests import Key
from pipeline.render import CHART, MANIFESTS
from tests.schemas import validate


@pytest.fixture(scope="module")
def base() -> dict[Key, Doc]:
    return manifests.objects(ROOT / CHART, manifests.BASE)


def patched(doc: Doc, operations: list[Doc]) -> Doc:
    """What kustomize makes of a document and a JSON patch."""
    found = copy.deepcopy(doc)
    for step in operations:
        *path, last = (part.replace("~1", "/").replace("~0", "~")
                       for part in step["path"].split("/")[1:])  # fmt: skip
        holder: Any = found
        for part in path:
            holder = holder[int(part) if isinstance(holder, list) else part]
        key: Any = int(last) if isinstance(holder, list) else last
        if step["op"] == "remove":
            del holder[key]
        else:
            assert (key in holder) is (step["op"] == "replace") or isinstance(holder, list)
            holder[key] = step["value"]
    return found


def kustomized(base: dict[Key, Doc], files: dict[str, str]) -> dict[Key, Doc]:
    """The objects of an overlay, as kubectl would print them."""
    plan = yaml.safe_load(files["kustomization.yaml"])
    found = dict(base)
    for patch in plan["patches"]:
        key = patch["target"]["kind"], patch["target"]["name"]
        if "path" in patch:
            found[key] = patched(found[key], yaml.safe_load(files[patch["path"]]))
        else:
            assert yaml.safe_load(patch["patch"])["$patch"] == "delete"
            del found[key]
    assert plan["resources"][0] == "../../base"
    for name in plan["resources"][1:]:
        one = yaml.safe_load(files[name])
        found[one["kind"], one["metadata"]["name"]] = one
    return found


@pytest.mark.parametrize("name", manifests.OVERLAYS)
def test_an_overlay_is_the_chart_with_its_values(name: str, base: dict[Key, Doc]) -> None:
    wanted = manifests.objects(ROOT / CHART, manifests.BASE | manifests.OVERLAYS[name])
    assert wanted != base
    assert kustomized(base, manifests.overlay(base, wanted)) == wanted


def test_the_base_with_monitoring_is_the_chart_where_there_is_an_operator(
    base: dict[Key, Doc],
) -> None:
    wanted = manifests.objects(ROOT / CHART, manifests.MONITORING)
    files = manifests.component(base, wanted)
    plan = yaml.safe_load(files.pop("kustomization.yaml"))
    assert (plan["kind"], plan["resources"]) == ("Component", sorted(files))
    added = [yaml.safe_load(text) for text in files.values()]
    assert base | {(one["kind"], one["metadata"]["name"]): one for one in added} == wanted
    assert {kind for kind, _ in wanted.keys() - base.keys()} >= {"PodMonitor"}
    over = manifests.generated(ROOT / CHART)["overlays/monitoring/kustomization.yaml"]
    assert yaml.safe_load(over)["resources"] == ["../../base"]
    (name,) = yaml.safe_load(over)["components"]
    assert (ROOT / MANIFESTS / "overlays/monitoring" / name / "kustomization.yaml").exists()


def test_an_overlay_adds_changes_and_removes() -> None:
    what = {"apiVersion": "v1", "kind": "A"}
    one: Doc = what | {"metadata": {"name": "x", "labels": {"a/b~c": "1"}},
                       "list": [1, {"k": 2}], "gone": 0}  # fmt: skip
    other = what | {"metadata": {"name": "x", "labels": {"a/b~c": "2"}},
                    "list": [1, {"k": 3, "l": [4]}], "new": True}  # fmt: skip
    left: Doc = {"apiVersion": "v1", "kind": "B", "metadata": {"name": "y"}}
    before: dict[Key, Doc] = {("A", "x"): one, ("B", "y"): left}
    new = {"apiVersion": "v1", "kind": "C", "metadata": {"name": "z"}}
    after: dict[Key, Doc] = {("A", "x"): other, ("C", "z"): new}
    assert kustomized(before, manifests.overlay(before, after)) == after
    assert manifests.difference({"a": 1}, {"a": True}, "") == [
        {"op": "replace", "path": "/a", "value": True}
    ]
    assert manifests.difference([1, 2], [1], "/l") == [
        {"op": "replace", "path": "/l", "value": [1]}
    ]


def test_the_base_names_every_file_and_nothing_of_helm() -> None:
    folder = ROOT / MANIFESTS / "base"
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    files = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert set(plan["resources"]) == files
    kinds = set()
    for name in files:
        text = (folder / name).read_text()
        assert not re.search("helm.sh/(chart|hook)|managed-by", text)
        kinds.add(yaml.safe_load(text)["kind"])
    assert kinds >= {
        "WorkflowTemplate", "ConfigMap", "PersistentVolumeClaim", "Service", "ServiceAccount",
        "Role", "RoleBinding", "NetworkPolicy", "Secret",
    }  # fmt: skip


def test_whoever_is_bound_is_where_kustomize_looks(base: dict[Key, Doc]) -> None:
    """It moves a subject to another namespace only along with the account of that namespace."""
    for (kind, _), one in base.items():
        for subject in one.get("subjects", ()) if kind == "RoleBinding" else ():
            account = base["ServiceAccount", subject["name"]]
            assert account["metadata"]["namespace"] == subject["namespace"] == manifests.NAME


def test_kubernetes_takes_the_base(base: dict[Key, Doc]) -> None:
    validate((one for (kind, _), one in base.items() if kind != "WorkflowTemplate"), "1.34")


def test_the_mounted_configs_are_the_profiles(base: dict[Key, Doc]) -> None:
    for path in PROFILES.glob("*.yaml"):
        text = base["ConfigMap", f"palimpsest-config-{path.stem}"]["data"]["config.yaml"]
        read = config.parse(text, "config.yaml")
        assert read.digest() != "" and read.editing.folder == "/models"
        assert read.model_copy(update={"editing": config.read(path).editing}) == config.read(path)


@pytest.mark.parametrize("name", sorted(manifests.examples()))
def test_an_example_runs_what_the_base_holds(name: str, base: dict[Key, Doc]) -> None:
    one = yaml.safe_load(manifests.examples()[name])
    spec = one["spec"]
    template = base["WorkflowTemplate", spec["workflowTemplateRef"]["name"]]
    given = {p["name"]: p["value"] for p in spec.get("arguments", {}).get("parameters", [])}
    assert one["kind"] == "Workflow" and one["metadata"]["generateName"].endswith("-")
    found = [node.template for node in pods.expand(template, given, spec.get("entrypoint"))]
    last = {"paper-range": "replay-sdxl-lora-3-kandinsky"}.get(name, "audit")
    assert found[-2:] == [last, "summary"]
    assert ("ingest" in found) is (name != "train-and-evaluate")
