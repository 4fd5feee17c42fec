"""The labels that the result of a PromQL expression has, by the labels of our metrics."""

from __future__ import annotations

import promql_parser as promql

from pipeline import metrics

#: What a scraper adds to each series, where it is in a cluster; rules group by the first alone.
ADDED = {"namespace", "pod", "instance", "job"}
PARTS = ("_bucket", "_sum", "_count")
SET_OPERATORS = ("and", "or", "unless")


def of(expr: str) -> set[str]:
    """Raises ValueError, which names the fault: a metric that is none of ours, a label that a
    metric has not, a label that is grouped or matched by and was lost before."""
    found = _of(promql.parse(expr))
    return set() if found is None else found


def selected(expr: str) -> list[tuple[str, str, str]]:
    """Metric, label and value (or pattern) of each matcher."""
    found: list[tuple[str, str, str]] = []

    def note(node: object) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.extend((node.name or "", one.name, one.value) for one in node.matchers.matchers)
        return True

    promql.walk(promql.parse(expr), note)
    return found


def _of(node: object) -> set[str] | None:
    """None of a scalar."""
    if isinstance(node, promql.ParenExpr):
        return _of(node.expr)
    if isinstance(node, promql.NumberLiteral):
        return None
    if isinstance(node, promql.MatrixSelector):
        return _of(node.vector_selector)
    if isinstance(node, promql.VectorSelector):
        return _selector(node)
    if isinstance(node, promql.Call):
        vectors = [found for found in map(_of, node.args) if found is not None]
        return vectors[0] if vectors else None
    if isinstance(node, promql.AggregateExpr):
        return _grouped(node)
    if isinstance(node, promql.BinaryExpr):
        return _binary(node)
    raise ValueError(f"{type(node).__name__}: not known here, teach tests/alerts/labels.py")


def _selector(node: promql.VectorSelector) -> set[str]:
    name = node.name or ""
    known = {
        whole + part: metric
        for whole, metric in metrics.ALL.items()
        for part in (PARTS if metric.kind == "histogram" else ("",))
    }
    if name not in known:
        raise ValueError(f"{name} is no metric")
    labels = set(known[name].labels) | ({"le"} if name.endswith("_bucket") else set())
    _known([one.name for one in node.matchers.matchers], labels, name)
    return labels | ADDED


def _grouped(node: promql.AggregateExpr) -> set[str]:
    inner, modifier = _of(node.expr) or set(), node.modifier
    if modifier is None:
        return set()
    _known(modifier.labels, inner, f"{node.op} by")
    listed = set(modifier.labels)
    return listed if "By" in str(modifier.type) else inner - listed


def _binary(node: promql.BinaryExpr) -> set[str] | None:
    left, right, modifier = _of(node.lhs), _of(node.rhs), node.modifier
    if modifier and modifier.matching and "Exclude" in str(modifier.matching.type):
        raise ValueError("ignoring: not known here, say on")
    if left is None or right is None:
        return right if left is None else left
    on = set(modifier.matching.labels) if modifier and modifier.matching else None
    grouped = modifier is not None and modifier.group_labels is not None
    if on is not None:
        _known(on, left, f"{node.op} on")
        _known(on, right, f"{node.op} on")
    elif left != right:
        raise ValueError(f"{node.op} of other labels: only {sorted(left ^ right)} on one side")
    if str(node.op) in SET_OPERATORS or on is None or grouped:
        return left
    return on


def _known(asked: set[str] | list[str], there: set[str], where: str) -> None:
    for label in sorted(set(asked) - there):
        raise ValueError(f"{where}: there is no label {label}, but {', '.join(sorted(there))}")
