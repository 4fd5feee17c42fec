"""Every value set renders to objects that Kubernetes takes and to pods that it lets in."""

import re
from typing import Any

import kubernetes_validate
import pytest
from helm_python import chart as helm

from tests.charts.rendered import CHART, FOREIGN, NAMES, SETS, nodes, objects, of, started, values
from tests.charts.restricted import violations
from tests.schemas import validate

VERSIONS = ["1.31", "1.34", "1.37"]


def test_the_value_sets() -> None:
    assert sorted(SETS) == [
        "air-gapped", "existing-claims", "kueue", "mig", "minimal", "monitoring", "restricted",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_lint(name: str) -> None:
    found = helm.lint(CHART, values(name), strict=True)
    assert found["errors"] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    core = [doc for doc in objects(name) if doc["kind"] not in FOREIGN]
    assert {doc["kind"] for doc in core} >= {"ConfigMap", "Service", "Pod", "Deployment"}
    pods = [node.manifest for node in nodes(objects(name))]
    assert {pod["kind"] for pod in pods} == {"Pod", "Job"}
    validate([*core, *pods], version)


def test_a_field_that_kubernetes_does_not_know_is_refused_in_every_kind() -> None:
    kinds = {doc["kind"]: doc for name in NAMES for doc in objects(name)}
    for kind in kinds.keys() - FOREIGN:
        with pytest.raises(kubernetes_validate.ValidationError, match="spek"):
            validate([kinds[kind], kinds[kind] | {"spek": {}}], VERSIONS[0])


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_passes_pod_security_restricted(name: str) -> None:
    found = list(started(objects(name)))
    assert {pod["metadata"]["name"]: violations(pod) for pod in found if violations(pod)} == {}
    assert len(found) > 50


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_is_ours_and_reads_only_its_root(name: str) -> None:
    for pod in started(objects(name)):
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "palimpsest"
        assert labels["app.kubernetes.io/instance"] == "palimpsest"
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", NAMES)
def test_what_pods_name_is_there(name: str) -> None:
    """Claims, config maps and accounts that pods use are the chart's or the values'."""
    docs = objects(name)
    text = str(values(name))
    made = {(doc["kind"], doc["metadata"]["name"]) for doc in docs}
    for pod in started(docs):
        spec = pod["spec"]
        used = [("ServiceAccount", spec["serviceAccountName"])]
        for volume in spec["volumes"]:
            if "persistentVolumeClaim" in volume:
                used.append(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
            if "configMap" in volume:
                used.append(("ConfigMap", volume["configMap"]["name"]))
        for kind, what in used:
            assert (kind, what) in made or re.search(rf"'{what}'", text), (kind, what)


def test_rendering_twice_gives_the_same() -> None:
    from tests.charts.rendered import render

    again: list[dict[str, Any]] = render(values("kueue"))
    assert again == list(objects("kueue"))
    assert len(of("WorkflowTemplate", again)) >= 3
