"""How the pods of a workflow wait for each other: its entrypoints, as Argo DAGs.

An edge of the pipeline's DAG is a dataset that a stage reads; here it is one of `depends`, wherever
both stages lie in the same Argo DAG and no other edge implies it. Between two of those, the later
one waits for the whole other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.argo_pod import Doc, argo_name
from pipeline.stage import Stage


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
    return {"name": name, **given, "dag": {"tasks": list(direct(tasks))}}


def direct(tasks: Iterable[Doc]) -> Iterator[Doc]:
    """The same tasks, each waiting for those alone that none of the others it waits for has waited
    for: what follows from two edges need not be written down."""
    above: dict[str, set[str]] = {}
    for one in tasks:
        needs = [name for name in one.get("depends", "").split(" && ") if name]
        implied = set().union(*(above[name] for name in needs))
        above[one["name"]] = implied.union(needs)
        last = " && ".join(name for name in needs if name not in implied)
        yield one | ({"depends": last} if last else {})


def task(name: str, needs: Iterable[str] = (), template: str = "") -> Doc:
    depends = {"depends": " && ".join(argo_name(one) for one in needs)} if needs else {}
    return {"name": argo_name(name), "template": argo_name(template or name), **depends}


def edge(stage: Stage, among: Iterable[Stage]) -> Doc:
    """The task of a stage, after those of the stages it reads that lie in the same DAG."""
    here = {other.name for other in among}
    return task(stage.name, [name for name in stage.reads if name in here])
