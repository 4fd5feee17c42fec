"""What a PromQL expression asks for: its selectors, and the labels that it groups by."""

from __future__ import annotations

from dataclasses import dataclass

import promql_parser as promql


@dataclass(frozen=True)
class Matcher:
    """`label` `op` `value`, as in family!=""."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.label}{self.op}"{quoted}"'

    @property
    def words(self) -> list[str]:
        """The values that it names, one of a pattern for each of its alternatives."""
        plain = self.op in ("=", "!=") or any(sign in self.value for sign in "()[]\\")
        return [self.value] if plain else self.value.split("|")


@dataclass(frozen=True)
class Selector:
    metric: str
    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.matchers))
        return f"{self.metric}{{{inside}}}" if inside else self.metric


_OPS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}


def selectors(expr: str) -> list[Selector]:
    """All that it selects, each once; a ValueError says what is wrong with the expression."""
    found: dict[Selector, None] = {}

    def note(node: object) -> bool:
        if isinstance(node, promql.VectorSelector):
            matchers = (Matcher(one.name, _OPS[str(one.op)], one.value)
                        for one in node.matchers.matchers)  # fmt: skip
            found[Selector(node.name or "", tuple(sorted(matchers, key=str)))] = None
        return True

    promql.walk(promql.parse(expr), note)
    return list(found)


def grouping(expr: str) -> set[str]:
    """The labels named in by, without, on, ignoring, group_left and group_right."""
    found: set[str] = set()

    def note(node: object) -> bool:
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql.AggregateExpr) and modifier:
            found.update(modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and modifier:
            found.update(modifier.matching.labels if modifier.matching else ())
            found.update(modifier.group_labels or ())
        return True

    promql.walk(promql.parse(expr), note)
    return found


def replaced(expr: str) -> set[str]:
    """The labels that its calls of label_replace make."""
    found: set[str] = set()

    def note(node: object) -> bool:
        if isinstance(node, promql.Call) and node.func.name == "label_replace":
            found.add(node.args[1].val)
        return True

    promql.walk(promql.parse(expr), note)
    return found
