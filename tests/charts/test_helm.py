"""The real helm program, where there is one: on PATH, or named by $PALIMPSEST_HELM."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.charts.cluster import serving
from tests.charts.rendered import CHART, NAMES, NAMESPACE, SETS, objects

HELM = os.environ.get("PALIMPSEST_HELM") or shutil.which("helm")
pytestmark = pytest.mark.skipif(
    HELM is None,
    reason="no helm: `python -m tests.tools.get_helm DIR`, then PALIMPSEST_HELM=DIR/helm",
)
VERSIONS = ["1.31.0", "1.34.0", "1.37.0"]


def helm(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        [str(HELM), *map(str, arguments)], capture_output=True, text=True, env=env, timeout=60
    )


def files(name: str) -> list[str]:
    return ["--values", str(SETS[name])] if name in SETS else []


@pytest.mark.parametrize("name", NAMES)
def test_lint(name: str, tmp_path: Path) -> None:
    done = helm(tmp_path, "lint", "--strict", CHART, *files(name))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[ERROR]" not in done.stdout and "[WARNING]" not in done.stdout


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_template_gives_what_the_tests_look_at(name: str, version: str, tmp_path: Path) -> None:
    done = helm(tmp_path, "template", "palimpsest", CHART, "--namespace", NAMESPACE,
                "--kube-version", version, *files(name))  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [doc for doc in yaml.load_all(done.stdout, yaml.CSafeLoader) if doc]
    name_of = lambda doc: (doc["kind"], doc["metadata"]["name"])  # noqa: E731
    assert sorted(found, key=name_of) == sorted(objects(name), key=name_of)


def test_an_old_kubernetes_is_refused(tmp_path: Path) -> None:
    done = helm(tmp_path, "template", CHART, "--kube-version", "1.30.0")
    assert done.returncode == 1
    assert "chart requires kubeVersion: >=1.31.0-0 which is incompatible" in done.stderr


def test_the_package_has_what_it_needs_and_no_more(tmp_path: Path) -> None:
    done = helm(tmp_path, "package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("palimpsest-*.tgz")
    with tarfile.open(package) as tar:
        names = {name.removeprefix("palimpsest/") for name in tar.getnames()}
    assert {"values.schema.json", "README.md", "files/workflows/demo.yaml"} <= names
    for folder in ("alerts", "dashboards"):
        assert {f"{folder}/{path.name}" for path in (CHART / folder).glob("*")} <= names
    assert not [name for name in names if name.startswith("ci/")]


def against(home: Path, server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return helm(home, "template", "palimpsest", CHART, "--namespace", NAMESPACE,
                "--dry-run=server", "--disable-openapi-validation",
                "--kube-apiserver", server, *arguments)  # fmt: skip


def test_a_cluster_without_argo_is_refused(tmp_path: Path) -> None:
    with serving(argo=False, claims={}) as server:
        done = against(tmp_path, server)
    assert done.returncode == 1
    assert "this cluster has no WorkflowTemplate: install Argo Workflows 3.7" in done.stderr


def kinds(text: str) -> Counter[str]:
    return Counter(doc["kind"] for doc in yaml.load_all(text, yaml.CSafeLoader) if doc)


@pytest.mark.parametrize("operator", [False, True])
def test_monitors_are_made_where_the_cluster_knows_them(operator: bool, tmp_path: Path) -> None:
    with serving(argo=True, claims={}, operator=operator) as server:
        done = against(tmp_path, server)
    assert done.returncode == 0, done.stderr
    assert kinds(done.stdout)["PodMonitor"] == operator
    said = ["--api-versions", "monitoring.coreos.com/v1"] if operator else []
    apart = helm(tmp_path, "template", "palimpsest", CHART, "--namespace", NAMESPACE, *said)
    assert kinds(apart.stdout) == kinds(done.stdout)


@pytest.mark.parametrize("modes", [["ReadWriteMany"], ["ReadWriteOnce"]])
def test_an_existing_claim_is_looked_at(modes: list[str], tmp_path: Path) -> None:
    with serving(argo=True, claims={"runs": modes}) as server:
        done = against(tmp_path, server, "--set", "storage.data.existingClaim=runs")
    if modes == ["ReadWriteMany"]:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1
        assert "storage.data.existingClaim runs: it lacks ReadWriteMany" in done.stderr
