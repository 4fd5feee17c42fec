"""How many nodes a workflow's status will hold. Argo keeps them all in one object: a thousand are a
good limit.
"""

from __future__ import annotations

from typing import Any

from pipeline.argo_pod import Doc
from pipeline.errors import ConfigError


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
    """The items of a `withSequence` whose bounds are workflow parameters. Raises a ConfigError for
    bounds that are no numbers."""
    try:
        bounds = {key: int(_value(text, values)) for key, text in given.items()}
    except ValueError as error:
        raise ConfigError(f"withSequence {given}: {error}: give whole numbers") from None
    start = bounds.get("start", 0)
    end = bounds["end"] if "end" in bounds else start + bounds["count"] - 1
    return range(start, end + 1) if start <= end else range(start, end - 1, -1)


def _value(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{workflow.parameters.{name}}}}}", value)
    return text
