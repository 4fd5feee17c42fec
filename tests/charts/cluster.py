"""As much of an API server as `helm template --dry-run=server` asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Doc = dict[str, Any]
CORE = {"serviceaccounts": "ServiceAccount", "persistentvolumeclaims": "PersistentVolumeClaim",
        "configmaps": "ConfigMap", "pods": "Pod", "secrets": "Secret",
        "services": "Service"}  # fmt: skip
GROUPS = {
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "apps/v1": {"deployments": "Deployment"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role", "rolebindings": "RoleBinding"},
}
ARGO = {"argoproj.io/v1alpha1": {"workflowtemplates": "WorkflowTemplate"}}
OPERATOR = {"monitoring.coreos.com/v1": {"podmonitors": "PodMonitor",
                                         "prometheusrules": "PrometheusRule"}}  # fmt: skip


def _resources(version: str, kinds: dict[str, str]) -> Doc:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
            for name, kind in kinds.items()
        ],
    }


def _group(path: str) -> Doc:
    name, version = path.split("/")
    said = {"groupVersion": path, "version": version}
    return {"name": name, "versions": [said], "preferredVersion": said}


@contextmanager
def serving(argo: bool, claims: dict[str, list[str]], operator: bool = False) -> Iterator[str]:
    """The address of a cluster with or without the kinds of Argo and of the Prometheus operator,
    with claims of these access modes."""
    groups = GROUPS | (ARGO if argo else {}) | (OPERATOR if operator else {})
    answers: dict[str, Doc] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": _resources("v1", CORE),
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(path) for path in groups],
        },
    }
    for path, kinds in groups.items():
        answers[f"/apis/{path}"] = _resources(path, kinds)
    place = "/api/v1/namespaces/research"
    answers[f"{place}/serviceaccounts/default"] = _object("ServiceAccount", "default")
    for name, modes in claims.items():
        found = _object("PersistentVolumeClaim", name) | {"spec": {"accessModes": modes}}
        answers[f"{place}/persistentvolumeclaims/{name}"] = found

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.split("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure",
                       "reason": "NotFound", "code": 404}  # fmt: skip
            body = json.dumps(missing if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _object(kind: str, name: str) -> Doc:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "research"}}
