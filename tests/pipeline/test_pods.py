"""A workflow becomes the pods that Argo would make; what would not run is refused in a sentence."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import pods
from pipeline.argo_pod import Doc
from pipeline.errors import ConfigError


def workflow() -> Doc:
    """first -> each (a loop over a DAG of a and b) -> last; cleanup at the end."""

    def leaf(name: str, *args: str, **more: Any) -> Doc:
        main = {"image": "i", "command": ["c"], "args": list(args),
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}  # fmt: skip
        return {"name": name, "metadata": {"labels": {"own": name}}, "container": main, **more}

    part = [{"name": "k", "value": "{{inputs.parameters.k}}"}]
    return {
        "kind": "WorkflowTemplate",
        "spec": {
            "entrypoint": "main",
            "onExit": "cleanup",
            "arguments": {"parameters": [{"name": "n", "value": "2"}]},
            "nodeSelector": {"pool": "cpu"},
            "tolerations": [{"key": "t"}],
            "podPriorityClassName": "low",
            "podMetadata": {"labels": {"own": "spec", "all": "yes"}, "annotations": {"a": "b"}},
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "unused", "emptyDir": {}}],
            "templates": [
                {"name": "main", "dag": {"tasks": [
                    {"name": "last", "template": "leaf", "depends": "each"},
                    {"name": "each", "template": "part", "depends": "first",
                     "withSequence": {"count": "{{workflow.parameters.n}}"},
                     "arguments": {"parameters": [{"name": "k", "value": "{{item}}"}]}},
                    {"name": "first", "template": "leaf"},
                ]}},
                {"name": "part", "inputs": {"parameters": [{"name": "k"}]},
                 "nodeSelector": {"pool": "gpu"},
                 "dag": {"tasks": [
                    {"name": "a", "template": "with-k", "arguments": {"parameters": part}},
                    {"name": "b", "template": "with-k", "arguments": {"parameters": part}},
                 ]}},
                leaf("leaf"),
                leaf("with-k", "{{inputs.parameters.k}}/{{workflow.parameters.n}}",
                     "{{workflow.namespace}}", inputs={"parameters": [{"name": "k"}]},
                     activeDeadlineSeconds=60,
                     retryStrategy={"limit": "3", "expression": "x in [75, -1]"}),
                leaf("cleanup", tolerations=[], nodeSelector={"pool": "own"}),
            ],
        },
    }  # fmt: skip


def test_order_loops_and_arguments() -> None:
    found = pods.expand(workflow(), namespace="ns")
    needs = {node.name: node.needs for node in found}
    parts = tuple(f"each({k}:{k}).{name}" for k in (0, 1) for name in "ab")
    assert list(needs) == ["first", *parts, "last", "onExit"]
    assert all(needs[part] == ("first",) for part in parts)
    assert needs["last"] == parts and set(needs["onExit"]) == {"first", *parts, "last"}
    node = found[3]
    assert node.manifest["spec"]["containers"][0]["args"] == ["1/2", "ns"]
    assert (node.retried, node.limit, node.last) == (frozenset({75, -1}), 3, False)
    assert found[-1].last and found[-1].limit == 0
    names = [node.manifest["metadata"]["name"] for node in found]
    assert len(set(names)) == len(names) and names[3] == "w-each-1-1-a"


def test_what_the_workflow_says_of_all_pods_is_merged_in() -> None:
    by_name = {node.name: node.manifest for node in pods.expand(workflow(), workflow="wf")}
    first = by_name["first"]
    assert first["metadata"]["labels"] == {
        "workflows.argoproj.io/workflow": "wf", "workflows.argoproj.io/completed": "false",
        "own": "leaf", "all": "yes",
    }  # fmt: skip
    assert first["metadata"]["annotations"] == {"a": "b"}
    spec = first["spec"]
    assert spec["containers"][0]["name"] == "main" and spec["restartPolicy"] == "Never"
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert spec["priorityClassName"] == "low" and spec["tolerations"] == [{"key": "t"}]
    selectors = [by_name[name]["spec"]["nodeSelector"]["pool"]
                 for name in ("first", "each(0:0).a", "onExit")]  # fmt: skip
    assert selectors == ["cpu", "gpu", "own"], "the template's, else the DAG's, else the workflow's"
    assert by_name["onExit"]["spec"]["tolerations"] == [{"key": "t"}], "an empty list says nothing"
    assert by_name["each(0:0).a"]["spec"]["activeDeadlineSeconds"] == 60


def test_parameters_and_entrypoints() -> None:
    assert len(pods.expand(workflow(), {"n": "5"})) == 2 + 5 * 2 + 1
    part = pods.expand(workflow(), {"k": "7"}, "part")
    assert [node.name for node in part] == ["a", "b", "onExit"]
    assert part[0].manifest["spec"]["containers"][0]["args"][0] == "7/2"
    assert [node.name for node in pods.expand(workflow(), entrypoint="leaf")] == ["leaf", "onExit"]


def test_a_template_is_not_changed() -> None:
    doc = workflow()
    before = copy.deepcopy(doc)
    pods.expand(doc)
    assert doc == before


def spec(key: str, value: Any) -> Callable[[Doc], Any]:
    return lambda doc: doc["spec"].__setitem__(key, value)


def leaf(key: str, value: Any) -> Callable[[Doc], Any]:
    return lambda doc: doc["spec"]["templates"][2].__setitem__(key, value)


def task(index: int, key: str, value: Any) -> Callable[[Doc], Any]:
    return lambda doc: doc["spec"]["templates"][0]["dag"]["tasks"][index].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (spec("templateDefaults", {}), "spec.templateDefaults is not expanded"),
        (spec("podSpecPatch", ""), "spec.podSpecPatch is not expanded"),
        (spec("entrypoint", "nope"), "no template 'nope', which the entrypoint asks for"),
        (spec("volumes", []), "template leaf mounts the volume 'data'"),
        (leaf("script", {}), "template leaf: script is not expanded"),
        (leaf("metadata", {"labels": {"x": "{{nope}}"}}), "{{nope}} is not defined: known are"),
        (task(0, "template", "nope"), "no template 'nope', which last asks for"),
        (task(0, "template", "main"), "template main calls itself"),
        (task(0, "depends", "nope"), "last depends on 'nope', which is no task"),
        (task(0, "depends", "each || first"), "depends on 'each || first'"),
        (task(2, "depends", "last"), "template main has a cycle: "),
        (task(1, "arguments", {}), "{{inputs.parameters.k}} is not defined"),
        (task(1, "withSequence", {"count": "many"}), "'many': give whole numbers"),
    ],
)
def test_what_would_not_run_is_refused(change: Callable[[Doc], Any], says: str) -> None:
    doc = workflow()
    change(doc)
    with pytest.raises(ConfigError, match=re.escape(says)):
        pods.expand(doc)


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match="no workflow parameter 'partitons': known are n"):
        pods.expand(workflow(), {"partitons": "3"})
