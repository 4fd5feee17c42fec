"""What the linter takes, what it leaves alone, and how it speaks."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline import lint, lint_pods, lint_shape
from pipeline.errors import OK, InputError
from pipeline.lint import Found
from pipeline.lint_graph import reads
from pipeline.lint_house import amount, house
from pipeline.lint_refs import Library
from pipeline.lint_security import restricted
from pipeline.lint_tree import walk
from tests.lint.planted import WORKFLOW, Doc, linted, swap, workflow_lint

SANE = Path(__file__).parent / "sane.yaml"


def test_a_workflow_of_another_kind_is_sane() -> None:
    assert linted(SANE) == []


def sane(folder: Path, old: str, new: str) -> list[str]:
    (folder / "sane.yaml").write_text(swap(old, new)(SANE.read_text()))
    return linted(folder / "sane.yaml")


MAIN = "sane-/main"


@pytest.mark.parametrize(("old", "new", "said"), [
    ("{name: b, template: set, ", "{name: b, ", "sane-/graph/b: one of template, templateRef and"),
    ("templateRef: {name: shared, template: greet}", "templateRef: {name: shared, template: hi}",
     f"{MAIN}/greet: there is no template 'hi' in shared: known are greet"),
    ("value: '{{steps.make.outputs.result}}'}]", "value: '{{steps.use.id}}'}]",
     f"{MAIN}/greet: {{{{steps.use.id}}}} is not defined: 'use' has not ended by then"),
    ("'{{steps.make.outputs.artifacts.data}}'", "'{{steps.make.outputs.artifacts.date}}'",
     "is not defined: make gives the artifacts data"),
    ("{{item.os}} {{=", "{{inputs.parameters.os}} {{=", "the inputs here are none"),
    ("withItems: [{os: linux}, {os: plan9}]", "when: 'true'", f"{MAIN}/pairs: {{{{item.os}}}} is"),
    ("{{item.os}} {{=sprig.upper(item.os)}}'}]}\n            withItems: [{os: linux}, {os: plan9}]",
     "{{=sprig.upper(item.os)}}'}]}", f"{MAIN}/pairs: item is not defined: only a task with"),
    ("steps[\"greet\"].status", "steps[\"great\"].status", "steps['great'] is not defined"),
    ("inputs.parameters['n']", "inputs.parameters['m']",
     "sane-/graph: inputs.parameters['m'] is not defined: known are n"),
    ("late:\n                expression: steps[\"greet\"].status == \"Failed\"", "late:",
     f"{MAIN}/greet: hooks.late: it has no expression: say when it runs"),
    ("asInt(lastRetry.exitCode)", "asInt(lastRetry.exitcode)", "lastRetry.exitcode is not defined"),
    ("target: 'b c'", "target: 'b d'", "sane-/graph: dag.target: there is no task 'd'"),
    ("dependencies: [one]", "dependencies: [two]", "'main' depends on 'two', which is not in"),
    ("{name: early, image: busybox:1.36}", "{name: early}", "initContainers: 'early' has no image"),
    ("script: {image: python:3.12-slim}", "script: {command: [sh]}", "/make: script.image is miss"),
    ("(a.AnySucceeded", "(b.AnySucceeded", "tasks wait for each other in a circle: b -> b"),
    ("withSequence: {start: 1, end: '{{inputs.parameters.n}}'}", "withSequence: {start: 1}",
     "sane-/graph/a: withSequence: give either count or end"),
    ("parallelism: 2", "activeDeadlineSeconds: 2", "sane-/main: activeDeadlineSeconds belongs to"),
    ("valueFrom: {path: /tmp/said, default: nothing}", "valueFrom: {default: nothing}",
     "shared/greet: outputs.parameters: 'said' has no valueFrom.path: give it"),
    ("'{\"terminationGracePeriodSeconds\"", "'{\"terminationGracePeriodSeconds", "podSpecPatch"),
    ("'0 3 * * *'", "'0 3 * *'", "nightly: spec.schedules[0]: '0 3 * *' is no schedule"),
    ("schedules: ['0 3 * * *', '@daily']", "schedule: '@daily'", "spec.schedule is no field since"),
    ("Forbid", "forbid", "spec.concurrencyPolicy: 'forbid' is no such value; did you"),
    ("            kind: ConfigMap\n", "", "nightly/again: resource.manifest has no kind: give it"),
    ("action: create", "action: make", "nightly/again: resource.action: 'make' is no such value"),
    ("metadata: {name: nightly}", "metadata: {name: Nightly}", "'Nightly' is no name"),
    ("entrypoint: again", "suspend: false", "spec.entrypoint is missing"),
    ("{name: mood, value: good", "{name: mood, values: good", "values: no such field; did"),
])  # fmt: skip
def test_a_change_for_the_worse_is_seen(old: str, new: str, said: str, tmp_path: Path) -> None:
    lines = sane(tmp_path, old, new)
    assert any(said in line for line in lines), lines


@pytest.mark.parametrize("depends", ["a", "a && b", "(a || b.Failed) && !c", " ( ( a ) ) "])
def test_depends_that_can_be_read(depends: str) -> None:
    assert reads(depends)


@pytest.mark.parametrize(
    "depends", ["a b", "a &&", "&& a", "(a", "a)", "a & b", "!", "a ! b", "a,b"]
)
def test_depends_that_cannot_be_read(depends: str) -> None:
    assert not reads(depends)


@pytest.mark.parametrize(("quantity", "number"), [
    ("500m", "0.5"), ("1Ki", "1024"), ("1k", "1000"), ("2Gi", "2147483648"), ("1.5", "1.5"),
    (3, "3"), ("1e3", "1000"), ("1E", "1000000000000000000"), (".5", "0.5"), ("32 GB", "0"),
])  # fmt: skip
def test_a_quantity_is_a_number(quantity: object, number: str) -> None:
    assert str(amount(quantity).normalize() + 0) == str(amount(number).normalize() + 0)


POD: Doc = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{
        "name": "main", "image": "r.example.org:5000/a/b:1", "command": ["python"],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    }],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}}  # fmt: skip


def test_a_restricted_pod_passes() -> None:
    assert [*restricted(POD), *house(POD)] == []


def security(pod: Doc) -> Doc:
    found: Doc = pod["spec"]["containers"][0]["securityContext"]
    return found


def container(pod: Doc) -> Doc:
    found: Doc = pod["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(("change", "said"), [
    (lambda p: p["spec"].update(hostNetwork=True), "hostNetwork"),
    (lambda p: p["spec"].update(hostPID=True), "hostPID"),
    (lambda p: p["spec"].update(hostIPC=True), "hostIPC"),
    (lambda p: p["spec"]["securityContext"].update(windowsOptions={"hostProcess": True}), "host"),
    (lambda p: security(p).update(privileged=True), "privileged"),
    (lambda p: security(p)["capabilities"].update(add=["NET_RAW"]), "has NET_RAW"),
    (lambda p: security(p)["capabilities"].update(drop=["NET_RAW"]), "drop is not [ALL]"),
    (lambda p: p["spec"]["volumes"][0].update(hostPath={"path": "/"}), "is a hostPath"),
    (lambda p: p["spec"]["volumes"][0].update(nfs={"server": "x", "path": "/"}), "is a nfs"),
    (lambda p: container(p).update(ports=[{"containerPort": 1, "hostPort": 1}]), "hostPort 1"),
    (lambda p: container(p).update(livenessProbe={"httpGet": {"port": 1, "host": "x"}}), ".host"),
    (lambda p: container(p).update(lifecycle={"preStop": {"tcpSocket": {"port": 1, "host": "x"}}}),
     "preStop.tcpSocket.host"),
    (lambda p: p["metadata"].update(annotations={
        "container.apparmor.security.beta.kubernetes.io/main": "unconfined"}), "apparmor"),
    (lambda p: security(p).update(appArmorProfile={"type": "Unconfined"}), "appArmorProfile"),
    (lambda p: security(p).update(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions.type"),
    (lambda p: security(p).update(seLinuxOptions={"role": "sysadm_r"}), "seLinuxOptions.role"),
    (lambda p: security(p).update(procMount="Unmasked"), "procMount"),
    (lambda p: security(p).update(seccompProfile={"type": "Unconfined"}), "seccompProfile is Unc"),
    (lambda p: p["spec"]["securityContext"].pop("seccompProfile"), "seccompProfile is missing"),
    (lambda p: p["spec"]["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]), "sysctl"),
    (lambda p: security(p).update(allowPrivilegeEscalation=True), "allowPrivilegeEscalation"),
    (lambda p: p["spec"]["securityContext"].pop("runAsNonRoot"), "runAsNonRoot is not true"),
    (lambda p: security(p).update(runAsNonRoot=False), "runAsNonRoot is not true"),
    (lambda p: security(p).update(runAsUser=0), "runAsUser is 0"),
    (lambda p: p["spec"].update(initContainers=[{"name": "early"}]), "capabilities.drop"),
    (lambda p: p["spec"].update(ephemeralContainers=[{"name": "late"}]), "capabilities.drop"),
])  # fmt: skip
def test_each_control_of_the_restricted_profile(change: Callable[[Doc], object], said: str) -> None:
    pod = copy.deepcopy(POD)
    change(pod)
    assert any(said in fault.text for fault in restricted(pod)), list(restricted(pod))


@pytest.mark.parametrize(("change", "said"), [
    (lambda p: p["spec"].update(volumes=[{"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"path": "t"}}]}}]), "service account's token"),
    (lambda p: container(p).update(image="r.example.org:5000/a/b"), "give a tag or a digest"),
    (lambda p: container(p).pop("command"), "command is missing"),
    (lambda p: container(p).update(command=["/bin/bash", "-c"]), "command '/bin/bash'"),
    (lambda p: container(p).update(command=["python -m x"]), "command 'python -m x'"),
    (lambda p: container(p).update(env=[{"name": "API_KEY", "value": "x"}]), "plain sight"),
    (lambda p: container(p).update(envFrom=[{"secretRef": {"name": "x"}}]), "envFrom"),
    (lambda p: container(p)["resources"].update(limits={
        "cpu": 1, "memory": 1, "nvidia.com/gpu": 2}, requests={"nvidia.com/gpu": 1}), "overcommit"),
])  # fmt: skip
def test_each_rule_of_the_house(change: Callable[[Doc], object], said: str) -> None:
    pod = copy.deepcopy(POD)
    change(pod)
    assert [fault.text for fault in house(pod) if said in fault.text], list(house(pod))
    assert [*restricted(pod)] == [], "not a matter of Pod Security"


def test_a_digest_is_as_good_as_a_tag() -> None:
    pod = copy.deepcopy(POD)
    container(pod)["image"] = "a/b@sha256:" + "0" * 64
    assert [*house(pod)] == []


def test_rules_of_the_house_hold_for_nobody_else(tmp_path: Path) -> None:
    def foreign(doc: Doc) -> None:
        doc["metadata"]["labels"].clear()
        doc["spec"].pop("automountServiceAccountToken")

    assert workflow_lint(tmp_path, foreign) == []


@pytest.mark.parametrize(("text", "said"), [
    ("a: [", "not valid YAML"),
    ("a: 1\na: 2\n", "key 'a' stands twice in the mapping at line 1: keep one"),
    ("kind: Pod\n", "it has no kind or no apiVersion"),
    ("[" * 3000, "not valid YAML"),
    ("when: 2026-13-45", "not valid YAML: month must be in 1..12"),
    ("kind: List\napiVersion: v1\nitems: [{kind: Pod, apiVersion: v1, spec: {container: []}}]",
     "spec: 'containers' is a required property"),
    ("kind: Pod\napiVersion: v2\n", ""),
])  # fmt: skip
def test_bad_files_are_sentences(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    lines = linted(tmp_path)
    assert any(said in line for line in lines) if said else lines == []


def test_paths_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no .yaml file"):
        lint.main_lint([tmp_path])
    with pytest.raises(InputError, match="neither a file nor a folder"):
        lint.main_lint([tmp_path / "missing.yaml"])


def test_standard_input_and_kinds_without_a_schema(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "apiVersion: example.org/v1\nkind: Thing\n---\n- {op: remove, path: /x}\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert lint.main_lint([Path("-")]) == OK
    said = capsys.readouterr().out
    assert "lint: not looked at, for want of a schema: 1 Thing (example.org/v1)\n" in said


def test_what_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint_shape, "models", lambda: False)
    monkeypatch.setattr(lint_pods, "schemas", lambda: False)
    assert lint.main_lint([WORKFLOW]) == OK
    said = capsys.readouterr().out
    assert "install hera" in said and "install kubernetes-validate" in said


def test_templates_of_other_files_are_said_to_be_unseen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = SANE.read_text().split("\n---\n")
    (tmp_path / "alone.yaml").write_text(documents[1])
    assert lint.main_lint([tmp_path]) == OK
    assert "references lead to templates in none of these files" in capsys.readouterr().out


def test_nothing_that_is_written_makes_it_fail() -> None:
    """Any value may stand anywhere: a fault is a sentence, never a traceback."""
    chance = random.Random(3)
    texts = [SANE.read_text(), WORKFLOW.read_text()]
    docs = [doc for text in texts for doc in yaml.load_all(text, yaml.CSafeLoader)]
    others = (None, 3, "x", [], {}, [None], {"a": 1}, {1: 2}, True, "{{x.y}}", "{{=")
    seen = 0
    for _ in range(200):
        doc = copy.deepcopy(chance.choice(docs[:-1] if chance.random() < 0.9 else docs))
        path = chance.choice([path for path, _ in walk(doc) if path])
        node = doc
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = chance.choice(others)
        library = Library()
        seen += bool(list(lint._document(doc, library, Found())))
    assert seen > 60
