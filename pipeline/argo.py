"""The DAG as an Argo WorkflowTemplate: a pure function of a config, rendered to static text.

One pod is a stage over one partition; `partition` is a DAG of its own, so that one partition paints
turn 2 while another still proposes, and only the index waits for all. A cluster runs `run`. Three
million pictures would be more nodes than one workflow's status holds: they are one run and several
workflows, `paint` over one range of partitions after another, then `finish`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import cast

from pipeline.argo_dag import dags
from pipeline.argo_ddp import job_template
from pipeline.argo_pod import (
    CONFIG,
    POD_SECURITY,
    RUN,
    Command,
    Doc,
    command_pod,
    stage_pod,
    volumes,
)
from pipeline.argo_yaml import as_yaml
from pipeline.cards import Role, used
from pipeline.config import Config
from pipeline.stage import Stage

#: The photographs that the base image brings along, and where a site's own are looked for.
SAMPLES, PHOTOS = "/opt/palimpsest/tests/data/photos", "/data/photos"
#: Where model weights lie in every pod, whatever the profile says of a laptop.
MODELS = "/models"
#: The first line of every rendered file.
HEAD = "# Rendered by `palimpsest render`. Change the stages or the profile, not this file.\n"
#: Two workflows on one run wait for each other.
LOCK = "palimpsest-{{workflow.namespace}}-{{workflow.parameters.run-id}}"
#: Pods of one workflow at a time.
PARALLELISM = 64
DAY = 24 * 3600
#: Argo fills in both numbers.
PARTITION = cast(
    "tuple[int, int]", ("{{inputs.parameters.partition}}", "{{workflow.parameters.partitions}}")
)


def workflow_template(config: Config, stages: tuple[Stage, ...]) -> Doc:
    """The whole document. Its name is the profile's; a chart puts its own before it."""
    profile = config.profile
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {
            "name": profile,
            "labels": {"app.kubernetes.io/name": "palimpsest",
                       "app.kubernetes.io/part-of": "palimpsest"},
            "annotations": {
                "palimpsest.io/dag": dag_digest(stages),
                "workflows.argoproj.io/title": f"Palimpsest: {profile}",
                "workflows.argoproj.io/description":
                    f"{config.samples} samples in {config.shards} shards, {len(stages)} stages",
            },
        },
        "spec": {
            "entrypoint": "run",
            "onExit": "summary",
            "arguments": {"parameters": parameters(config)},
            "serviceAccountName": "palimpsest",
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": "palimpsest-executor"},
            "securityContext": POD_SECURITY,
            "workflowMetadata": {"labelsFrom": {
                "palimpsest.io/run": {"expression": 'workflow.parameters["run-id"]'}}},
            "synchronization": {"mutexes": [{"name": LOCK}]},
            "parallelism": PARALLELISM,
            "activeDeadlineSeconds": 14 * DAY,
            "archiveLogs": False,
            "podGC": {"strategy": "OnPodSuccess", "deleteDelayDuration": "10m"},
            "ttlStrategy": {"secondsAfterSuccess": 7 * DAY, "secondsAfterFailure": 14 * DAY},
            "volumes": volumes(profile),
            "templates": templates(config, stages),
        },
    }  # fmt: skip


def parameters(config: Config) -> list[Doc]:
    """What a workflow may be submitted with; strings, as Argo's are."""
    partitions = config.local.partitions
    photos = SAMPLES if config.editing.weights == "tiny" else PHOTOS
    known = [
        ("run-id", config.profile, "the run's folder below /data/runs; the same one goes on with "
                                   "the same run"),
        ("photos", photos, "a folder of photographs, as a path in the pods"),
        ("partitions", partitions, "into how many ranges of shards the run is cut"),
        ("first-partition", 0, "of the range that `paint` paints"),
        ("last-partition", partitions - 1, "of the range that `paint` paints, itself painted"),
    ]  # fmt: skip
    return [{"name": name, "value": str(value), "description": text} for name, value, text in known]


def templates(config: Config, stages: tuple[Stage, ...]) -> list[Doc]:
    """The DAGs, then a pod for each of their steps."""
    commands = [
        *fetches(config),
        Command("publish", "pipeline.finish", (f"--run={RUN}",)),
        Command("audit", "pipeline.cli", ("audit", str(RUN))),
    ]
    started = Command(
        "begin", "pipeline.begin",
        (f"--config={CONFIG}", "--photos={{workflow.parameters.photos}}", f"--run={RUN}",
         f"--dag={dag_digest(stages)}"), config=True,
    )  # fmt: skip
    summary = Command("summary", "pipeline.finish", (f"--run={RUN}", "--summary"))
    return [
        *dags(stages, [command.name for command in fetches(config)]),
        command_pod(started),
        *(stage_template(stage, config.profile) for stage in stages),
        *(command_pod(command) for command in commands),
        command_pod(summary, retried=False),
    ]


def stage_template(stage: Stage, profile: str) -> Doc:
    argv = stage.argv(RUN, PARTITION if stage.scope == "shard" else None)
    if stage.processes:
        return job_template(stage, argv, profile)
    return stage_pod(stage, argv)


def fetches(config: Config) -> list[Command]:
    """A pod for each model with weights: it fetches or builds them where they are missing. Models
    that read the same repositories have one pod together."""
    keys: dict[Role, str] = {"editors": "family", "vlms": "vlm", "segmenters": "segmenter",
                             "detectors": "detector"}  # fmt: skip
    models: dict[tuple[str, ...], tuple[Role, str]] = {}
    for role, name, facts in used(config):
        models.setdefault(facts.repos, (role, name))
    return [
        Command(f"fetch-{name}", "jobs.fetch", (f"--{keys[role]}={name}", f"--config={CONFIG}"),
                image="editor", config=True, family=name if role == "editors" else "", online=True)
        for role, name in models.values()
    ]  # fmt: skip


def dag_digest(stages: Iterable[Stage]) -> str:
    """sha256 (16 hex) over everything in the stages that the rendered text rests on."""
    known = [
        [stage.name, stage.module, stage.args, stage.reads, stage.image, stage.scope,
         stage.gpu_gib, stage.processes]
        for stage in stages
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def mounted(config: Config) -> Config:
    """The config as pods see it: weights lie where the models' volume is mounted."""
    editing = config.editing.model_copy(update={"folder": MODELS})
    return config.model_copy(update={"editing": editing})


def rendered(config: Config, stages: tuple[Stage, ...]) -> str:
    """The file that lies in the chart."""
    return HEAD + as_yaml(workflow_template(config, stages))
