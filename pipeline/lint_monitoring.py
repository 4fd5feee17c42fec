"""What a Prometheus operator and a Grafana would take: monitors, rules, dashboards in config maps.

The operator drops a misspelt field without a word, and a rule it cannot read takes all rules of its
object along. Fields and types are those of cloudcoil's models, where they are installed; PromQL is
parsed where promql-parser is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from pipeline import metrics
from pipeline.lint_shape import metadata, misfits
from pipeline.lint_tree import Doc, Fault, listing, mapping, ours, text

API = "monitoring.coreos.com/v1"
KINDS = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
PORTS = ("port", "portNumber", "targetPort")
#: What a histogram is read by.
PARTS = ("_bucket", "_sum", "_count")


def knows(doc: Doc) -> bool:
    """Whether it is an object of the operator that is looked at here."""
    return doc.get("apiVersion") == API and doc.get("kind") in KINDS


def models() -> bool:
    """Whether fields and types can be checked here."""
    return find_spec("cloudcoil") is not None


def of_object(doc: Doc) -> Iterator[Fault]:
    """What is wrong with a monitor or with rules."""
    yield from metadata(doc)
    if models():
        from cloudcoil.models.prometheus_operator import v1

        for path, _, said in misfits(getattr(v1, doc["kind"]), doc):
            yield Fault("", f"{'.'.join(map(str, path))}: {said}")
    yield from _rules(doc) if doc["kind"] == "PrometheusRule" else _monitor(doc)


def _monitor(doc: Doc) -> Iterator[Fault]:
    key = "podMetricsEndpoints" if doc["kind"] == "PodMonitor" else "endpoints"
    every = listing(doc, "spec", key)
    if not every:
        yield Fault("", f"spec.{key} is empty: say which port to scrape")
    for index, one in enumerate(every):
        if not any(port in one for port in PORTS):
            yield Fault("", f"spec.{key}.{index}: it has no port: name the one to scrape")


def _rules(doc: Doc) -> Iterator[Fault]:
    groups = listing(doc, "spec", "groups")
    for name, times in Counter(text(one, "name") for one in groups).items():
        if times > 1:
            yield Fault("", f"spec.groups: the name {name!r} is there twice: rename one")
    recorded = {text(rule, "record") for one in groups for rule in listing(one, "rules")}
    for group in groups:
        for rule in listing(group, "rules"):
            where = text(rule, "alert") or text(rule, "record") or text(group, "name")
            said = [*_rule(rule), *(_unknown(rule, recorded) if ours(doc) else ())]
            yield from (Fault(where, one) for one in said)


def _rule(rule: Doc) -> Iterator[str]:
    if ("alert" in rule) == ("record" in rule):
        yield "a rule has either alert or record: give one of them"
    if "expr" in rule and (said := broken(str(rule["expr"]))):
        yield f"expr: {said}"


def broken(expression: str) -> str:
    """Why it is no PromQL, or "" if it is, or if nobody here can tell."""
    if not expression.strip():
        return "it is empty: say what to look at"
    if find_spec("promql_parser") is None:
        return ""
    import promql_parser

    try:
        promql_parser.parse(expression)
    except ValueError as error:
        return f"no PromQL: {' '.join(str(error).split())}"
    return ""


def _unknown(rule: Doc, recorded: set[str]) -> Iterator[str]:
    """Metrics of ours that nobody emits: such a rule never fires."""
    known = recorded | set(metrics.ALL)
    known |= {name + part for name, one in metrics.ALL.items() if one.kind == "histogram"
              for part in PARTS}  # fmt: skip
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", str(rule.get("expr", "")))
    for name in sorted(set(re.findall(r"\bpalimpsest_\w+", bare)) - known):
        yield f"expr: {name} is no metric: pipeline/metrics.py has them all"


def dashboards(doc: Doc) -> Iterator[Fault]:
    """What is wrong with the JSON files in a config map."""
    for name, value in mapping(doc, "data").items():
        if str(name).endswith(".json"):
            try:
                json.loads(str(value))
            except ValueError as error:
                yield Fault("", f"data.{name}: not valid JSON: {error}")
