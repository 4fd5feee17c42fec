"""The few calls to a cluster that the commands need; plain dicts come back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from kubernetes import client

from pipeline.cluster.kubeconfig import connect
from pipeline.cluster.refusals import refusals

GROUP, VERSION = "argoproj.io", "v1alpha1"
WORKFLOWS, TEMPLATES = "workflows", "workflowtemplates"
#: On every workflow and pod of a run, its id.
RUN = "palimpsest.io/run"
STAGE = "palimpsest.io/stage"
PART_OF = "app.kubernetes.io/part-of"
#: Argo's, on every pod: the workflow's name.
OF_WORKFLOW = "workflows.argoproj.io/workflow"
#: Seconds to connect, and between two bytes of an answer. A log that is followed may be silent.
TIMEOUT, SILENCE = (5, 60), (5, 3600)
PAGE = 100

Object = dict[str, Any]


class Cluster:
    """One namespace of one cluster. Every method raises `PermanentError` or `TransientError` with
    the sentence for the user."""

    def __init__(self, context: str | None, namespace: str | None) -> None:
        self.api, default = connect(context)
        self.namespace = namespace or default
        self.host: str = self.api.configuration.host
        self._custom, self._core = client.CustomObjectsApi(self.api), client.CoreV1Api(self.api)
        self._batch = client.BatchV1Api(self.api)
        #: What a hint for the next command must repeat.
        self.options = "".join(
            f" --{name} {shlex.quote(value)}"
            for name, value in (("context", context), ("namespace", namespace))
            if value
        )

    def _where(self, plural: str) -> Object:
        return {"group": GROUP, "version": VERSION, "namespace": self.namespace,
                "plural": plural, "_request_timeout": TIMEOUT}  # fmt: skip

    def _asking(self, doing: str, resource: str) -> Any:
        return refusals(self.host, doing, resource, self.namespace)

    def get(self, plural: str, name: str) -> Object:
        """Raises `Absent` if there is no such object."""
        with self._asking("get", f"{plural}.{GROUP}"):
            found: Any = self._custom.get_namespaced_custom_object(name=name, **self._where(plural))
        return found  # type: ignore[no-any-return]

    def all(self, plural: str, selector: str = "") -> Iterator[Object]:
        more = ""
        while True:
            with self._asking("list", f"{plural}.{GROUP}"):
                page: Any = self._custom.list_namespaced_custom_object(
                    label_selector=selector or None, limit=PAGE, _continue=more or None,
                    **self._where(plural),
                )  # fmt: skip
            yield from page["items"]
            more = page.get("metadata", {}).get("continue", "")
            if not more:
                return

    def create(self, workflow: Object) -> Object:
        with self._asking("create", f"{WORKFLOWS}.{GROUP}"):
            made: Any = self._custom.create_namespaced_custom_object(
                body=workflow, **self._where(WORKFLOWS)
            )
        return made  # type: ignore[no-any-return]

    def shut_down(self, name: str, how: str) -> None:
        """`how` is Argo's: Stop lets running steps end and runs onExit, Terminate does neither."""
        with self._asking("patch", f"{WORKFLOWS}.{GROUP}"):
            self._custom.patch_namespaced_custom_object(
                name=name, body={"spec": {"shutdown": how}},
                _content_type="application/merge-patch+json", **self._where(WORKFLOWS),
            )  # fmt: skip

    def pods(self, workflow: str, stage: str = "") -> list[Object]:
        """The oldest first. Pods of training Jobs bear the workflow's label, too."""
        selector = f"{OF_WORKFLOW}={workflow}" + (f",{STAGE}={stage}" if stage else "")
        with self._asking("list", "pods"):
            answer: Any = self._core.list_namespaced_pod(
                self.namespace, label_selector=selector, _preload_content=False,
                _request_timeout=TIMEOUT,
            )  # fmt: skip
            found: list[Object] = json.loads(answer.data)["items"]
        return sorted(
            found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])
        )

    def end_jobs(self, workflow: str) -> list[str]:
        """Delete the training Jobs of a workflow that still run, and their pods; returns their
        names. Argo lets them be: they would go on for as long as the workflow is kept. One that has
        ended is kept for its logs."""
        with self._asking("list", "jobs.batch"):
            answer: Any = self._batch.list_namespaced_job(
                self.namespace, label_selector=f"{OF_WORKFLOW}={workflow}",
                _preload_content=False, _request_timeout=TIMEOUT,
            )  # fmt: skip
        jobs: list[Object] = json.loads(answer.data)["items"]
        running = [job["metadata"]["name"] for job in jobs if job.get("status", {}).get("active")]
        for name in running:
            with self._asking("delete", "jobs.batch"):
                self._batch.delete_namespaced_job(
                    name, self.namespace, propagation_policy="Background",
                    _request_timeout=TIMEOUT,
                )  # fmt: skip
        return running

    def log(self, pod: str, follow: bool) -> Iterator[str]:
        """Lines of the main container. Raises `NotYet` before it has started."""
        with self._asking("get", "pods/log"):
            answer: Any = self._core.read_namespaced_pod_log(
                pod, self.namespace, container="main", follow=follow, _preload_content=False,
                _request_timeout=SILENCE if follow else TIMEOUT,
            )  # fmt: skip
            held = b""
            try:
                for chunk in answer.stream(amt=None, decode_content=False):
                    *lines, held = (held + chunk).split(b"\n")
                    for line in lines:
                        yield line.decode(errors="replace")
                if held:
                    yield held.decode(errors="replace")
            finally:
                answer.release_conn()
