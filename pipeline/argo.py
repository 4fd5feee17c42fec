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
from typing import Any, cast

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
from pipeline.cards import card
from pipeline.config import Config
from pipeline.stage import Stage

#: The photographs that the base image brings along, and where a site's own are looked for.
SAMPLES, PHOTOS = "/opt/palimpsest/tests/data/photos", "/data/photos"
#: Where model weights lie in every pod, whatever the profile says of a laptop.
MODELS = "/models"
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


#: Two workflows on one run wait for each other.
LOCK = "palimpsest-{{workflow.namespace}}-{{workflow.parameters.run-id}}"


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
    """A pod for each family and detector with weights: it fetches or builds what is missing."""
    return [
        Command(f"fetch-{family}", "jobs.fetch", (f"--family={family}", f"--config={CONFIG}"),
                image="editor", config=True, family=family, online=True)
        for family in config.families if card("editors", family).repos
    ] + [
        Command(f"fetch-{name}", "training.fetch", (f"--detector={name}", f"--config={CONFIG}"),
                image="train", config=True, online=True)
        for name, detector in config.detectors.items() if detector.pretrained
    ]  # fmt: skip


def dags(stages: tuple[Stage, ...], fetch: list[str]) -> list[Doc]:
    """The entrypoints and what they are made of."""
    after_begin = ["fetch"] if fetch else ["begin"]
    count = {"count": "{{workflow.parameters.partitions}}"}
    span = {"start": "{{workflow.parameters.first-partition}}",
            "end": "{{workflow.parameters.last-partition}}"}  # fmt: skip
    begin = [task("begin"), *([task("fetch", ["begin"])] if fetch else [])]
    item = {"arguments": {"parameters": [{"name": "partition", "value": "{{item}}"}]}}
    partitions = task("partitions", after_begin, "partition") | item
    inner = [stage for stage in stages if stage.scope == "shard"]
    index = [stage for stage in stages if stage.module == "jobs.index"]
    after = [stage for stage in stages if stage.scope == "run" and stage not in index]
    last = {stage.name for stage in after} - {name for stage in after for name in stage.reads}
    given = {"arguments": {"parameters": [
        {"name": "partition", "value": "{{inputs.parameters.partition}}"}]}}  # fmt: skip
    return [
        dag("run", [*begin, partitions | {"withSequence": count},
                    task("finish", ["partitions"])]),
        dag("paint", [*begin, partitions | {"withSequence": span}]),
        dag("partition", [edge(stage, inner) | given for stage in inner], ["partition"]),
        dag("finish", [*(edge(stage, index) for stage in index),
                       task("train-and-evaluate", [stage.name for stage in index])]),
        dag("train-and-evaluate", [*(edge(stage, after) for stage in after),
                                   task("publish", sorted(last)), task("audit", ["publish"])]),
        *([dag("fetch", [task(name) for name in fetch])] if fetch else []),
    ]  # fmt: skip


def dag(name: str, tasks: list[Doc], inputs: Iterable[str] = ()) -> Doc:
    given = {"inputs": {"parameters": [{"name": one} for one in inputs]}} if inputs else {}
    return {"name": name, **given, "dag": {"tasks": tasks}}


def task(name: str, needs: Iterable[str] = (), template: str = "") -> Doc:
    depends = {"depends": " && ".join(needs)} if needs else {}
    return {"name": name, "template": template or name, **depends}


def edge(stage: Stage, among: Iterable[Stage]) -> Doc:
    """The task of a stage, after those of the stages it reads that lie in the same DAG."""
    here = {other.name for other in among}
    return task(stage.name, [name for name in stage.reads if name in here])


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


def nodes(template: Doc, given: dict[str, str] | None = None, entrypoint: str = "") -> int:
    """How many nodes a workflow's status holds when no pod is tried twice: one for each DAG and
    each loop, and two for a pod with a retryStrategy (itself, and the node that counts its tries).
    Raises KeyError for a template that is not there."""
    spec = template["spec"]
    known = {one["name"]: one for one in spec["templates"]}
    values = {p["name"]: p["value"] for p in spec["arguments"]["parameters"]} | (given or {})

    def count(name: str) -> int:
        found = known[name]
        own = 2 if "retryStrategy" in found else 1
        return own + sum(spread(one) for one in found.get("dag", {}).get("tasks", ()))

    def spread(one: dict[str, Any]) -> int:
        if "withSequence" not in one:
            return count(one["template"])
        return 1 + len(sequence(one["withSequence"], values)) * count(one["template"])

    return count(entrypoint or spec["entrypoint"]) + count(spec["onExit"])


def sequence(given: dict[str, str], values: dict[str, str]) -> range:
    """The items of a `withSequence` whose bounds are workflow parameters."""
    bounds = {key: int(_value(text, values)) for key, text in given.items()}
    start = bounds.get("start", 0)
    end = bounds["end"] if "end" in bounds else start + bounds["count"] - 1
    return range(start, end + 1) if start <= end else range(start, end - 1, -1)


def _value(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{workflow.parameters.{name}}}}}", value)
    return text


def rendered(config: Config, stages: tuple[Stage, ...]) -> str:
    """The file that lies in the chart."""
    return HEAD + as_yaml(workflow_template(config, stages))


HEAD = "# Rendered by `palimpsest render`. Change the stages or the profile, not this file.\n"
