"""A stage of several processes as an Argo `resource` template that makes an Indexed Job.

One pod a process; pod 0 is found by its host name below the chart's headless Service. The Job never
starts a pod again by itself: when one ends all end, and Argo makes a new Job that goes on from the
last checkpoint.
"""

from __future__ import annotations

from pipeline.argo_pod import (
    HOUR,
    HOURS,
    POD_SECURITY,
    Doc,
    argo_name,
    container,
    metadata,
    resources,
    retry,
    volumes,
)
from pipeline.argo_yaml import as_yaml
from pipeline.child import TORCHRUN
from pipeline.errors import PERMANENT
from pipeline.stage import Stage

#: The headless Service that gives the pods of every such Job their host names.
SERVICE = "palimpsest-ddp"
PORT = 29500
#: A Job's pods bear its name and "-<index>" as host name, which has 63 characters at most.
LONGEST = 50
#: Argo looks at failures first. A Job that its podFailurePolicy ended says so in its first
#: condition, or in its second where a queue had suspended it; then another try cannot help.
REFUSED = "PodFailurePolicy"
FAILURE = (
    f"status.conditions.0.reason == {REFUSED},status.conditions.1.reason == {REFUSED},"
    "status.failed > 0"
)
RETRY_JOB = (
    "lastRetry.status == 'Error' or lastRetry.message contains 'status.failed' "
    "or asInt(lastRetry.exitCode) in [-1, 137, 143]"
)


def job_template(stage: Stage, argv: list[str], profile: str) -> Doc:
    """The template of a stage that `stage.processes` pods compute together."""
    manifest = as_yaml(job(stage, argv, profile))
    return {
        "name": argo_name(stage.name),
        "metadata": {"labels": metadata(stage)["labels"]},
        "retryStrategy": retry(RETRY_JOB),
        "resource": {
            "action": "create",
            "setOwnerReference": True,
            "successCondition": f"status.succeeded == {stage.processes}",
            "failureCondition": FAILURE,
            "manifest": manifest,
        },
    }


def job(stage: Stage, argv: list[str], profile: str) -> Doc:
    """The Job itself. A bug (exit 1) does not end it for good: processes that lose their connection
    to a killed one end with a traceback, too."""
    own = metadata(stage)
    name = argo_name(stage.name)[:LONGEST]
    whole = {"workflows.argoproj.io/workflow": "{{workflow.name}}"}
    own["labels"] = {**own["labels"], **whole}
    pod = {**own, "labels": {**own["labels"], "palimpsest.io/role": "ddp"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{name}-", "labels": own["labels"]},
        "spec": {
            "completionMode": "Indexed",
            "completions": stage.processes,
            "parallelism": stage.processes,
            "backoffLimit": 0,
            "activeDeadlineSeconds": HOURS.get(stage.module, 8) * HOUR,
            "ttlSecondsAfterFinished": 24 * HOUR,
            "podFailurePolicy": {"rules": [
                {"action": "FailJob", "onExitCodes":
                    {"containerName": "main", "operator": "In", "values": [PERMANENT]}},
                {"action": "Ignore", "onPodConditions":
                    [{"type": "DisruptionTarget", "status": "True"}]},
            ]},
            "template": {"metadata": pod, "spec": _pod(stage, argv, profile)},
        },
    }  # fmt: skip


def _pod(stage: Stage, argv: list[str], profile: str) -> Doc:
    main = container(TORCHRUN, ["job", stage.module, *argv], stage.image)
    main["resources"] = resources(stage.module, stage.image, stage.gpu_gib)
    field = "metadata.labels['batch.kubernetes.io/job-name']"
    main["env"] += [
        {"name": "JOB_NAME", "valueFrom": {"fieldRef": {"fieldPath": field}}},
        {"name": "MASTER_ADDR", "value": f"$(JOB_NAME)-0.{SERVICE}"},
        {"name": "MASTER_PORT", "value": str(PORT)},
        {"name": "NNODES", "value": str(stage.processes)},
    ]
    mounted = {mount["name"] for mount in main["volumeMounts"]}
    return {
        "subdomain": SERVICE,
        "restartPolicy": "Never",
        "serviceAccountName": "palimpsest",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 120,
        "securityContext": POD_SECURITY,
        "containers": [main],
        "volumes": [volume for volume in volumes(profile) if volume["name"] in mounted],
    }
