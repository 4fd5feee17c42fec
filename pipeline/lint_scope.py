"""What is defined at one place of a workflow, and why a name is not.

Argo leaves a tag whose first word it does not know as it is, for scripts have braces of their own;
so does this, unless the word looks misspelt.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.lint_tree import TEMPLATES, TYPES, Doc, listing, mapping, text

TAG = re.compile(r"\{\{(.*?)\}\}", re.S)
QUOTED = r"\[\s*['\"]([^'\"]+)['\"]\s*\]"
#: `inputs.parameters.name` and `inputs.parameters["name"]`, in an expression.
PARAMETER = re.compile(rf"\b(workflow|inputs)\??\.parameters\??(?:\.(\w+)|{QUOTED})")
NODE = re.compile(rf"\b(tasks|steps)\??(?:\.(\w+)|{QUOTED})\??\.")
STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
NO_ITEM = "only a task with withItems, withParam or withSequence has an item"
NUMBER = re.compile(r"(?<!asInt\()lastRetry\.exitCode\s*(in\s*\[|[<>=!]=?)\s*-?\d")
LAST = re.compile(r"lastRetry\.(\w+)")
ROOTS = ("item", "inputs", "outputs", "workflow", "tasks", "steps", "pod", "node", "retries",
         "lastRetry", "cronworkflow")  # fmt: skip
WORKFLOW = ("name", "namespace", "mainEntrypoint", "serviceAccountName", "uid", "parameters",
            "parameters.json", "annotations", "annotations.json", "labels", "labels.json",
            "creationTimestamp", "priority", "duration", "scheduledTime", "status", "failures"
            )  # fmt: skip
OF_NODE = ("id", "ip", "status", "exitCode", "startedAt", "finishedAt", "hostNodeName",
           "outputs.result", "outputs.parameters")  # fmt: skip
Spec = Callable[[Doc], Doc | None]
#: Name -> what is known of a task's template; None: nothing.
Nodes = dict[str, Doc | None]


class Scope:
    """What is defined at one place; `nodes` are the tasks or steps that have ended there."""

    def __init__(self, doc: Doc, spec: Doc, spec_of: Spec) -> None:
        self.parameters = {text(one, "name") for one in listing(spec, "arguments", "parameters")}
        #: Templates for others to refer to may read parameters of whoever does.
        self.open = doc["kind"] in TEMPLATES and not spec.get("entrypoint")
        self.templates = {text(one, "name"): one for one in listing(spec, "templates")}
        self.spec_of = spec_of
        self.inputs: dict[str, set[str]] = {"parameters": set(), "artifacts": set()}
        self.nodes: Nodes = {}
        self.kind, self.item, self.pod = "", False, False

    def copy(self, **changes: Any) -> Scope:
        other = object.__new__(Scope)
        other.__dict__ |= self.__dict__ | changes
        return other

    def within(self, template: Doc) -> Scope:
        """Inside a template, or one written inline: that one sees what is around it, too."""
        inputs = {kind: self.inputs[kind] | {text(one, "name") for one in
                                             listing(template, "inputs", kind)}
                  for kind in self.inputs}  # fmt: skip
        kind = next((key for key in TYPES if key in template), "")
        return self.copy(inputs=inputs, kind=kind, pod=kind not in ("dag", "steps"))

    def run_by(self, task: Doc) -> Doc | None:
        if ref := mapping(task, "templateRef"):
            spec = self.spec_of(ref)
            every = {text(one, "name"): one for one in listing(spec or {}, "templates")}
            return every.get(text(ref, "template"))
        return mapping(task, "inline") or self.templates.get(text(task, "template"))


def undefined(tag: str, scope: Scope) -> Iterator[str]:
    """Why a tag, without its braces, is not defined there."""
    if tag.startswith("="):
        yield from expressed(tag[1:], scope)
        return
    root, _, rest = tag.partition(".")
    if root not in ROOTS:
        near = difflib.get_close_matches(root, ROOTS, n=1, cutoff=0.8)
        if near and rest:
            yield f"{{{{{tag}}}}} is not defined; did you mean {near[0]}.{rest}?"
    elif said := _defined(root, rest, scope):
        yield f"{{{{{tag}}}}} is not defined: {said}"


def _defined(root: str, rest: str, scope: Scope) -> str:
    """Why a name is not defined here, or ""."""
    if root == "item" and not scope.item:
        return NO_ITEM
    if root == "workflow":
        return _workflow(rest, scope)
    if root == "inputs":
        kind, _, name = rest.partition(".")
        known = scope.inputs.get(kind, set())
        name = name.removesuffix(".path") if kind == "artifacts" else name
        if name not in known and not (kind == "parameters" and not name):
            return f"the inputs here are {_names(known)}"
    if root in ("tasks", "steps") and rest != "name":
        return _node(root, rest, scope)
    return ""


def _workflow(rest: str, scope: Scope) -> str:
    kind, _, name = rest.partition(".")
    if kind == "parameters" and name not in ("", "json"):
        if name not in scope.parameters and not scope.open:
            return f"the workflow's parameters are {_names(scope.parameters)}"
    elif rest not in WORKFLOW and kind not in ("labels", "annotations", "creationTimestamp",
                                               "outputs"):  # fmt: skip
        return f"of a workflow there are {', '.join(WORKFLOW)}"
    return ""


def _node(root: str, rest: str, scope: Scope) -> str:
    name, _, what = rest.partition(".")
    if root != ("tasks" if scope.kind == "dag" else "steps" if scope.kind == "steps" else ""):
        return "" if not scope.kind else f"{scope.kind} knows no {root}"
    if name not in scope.nodes:
        return f"{name!r} has not ended by then: known are {_names(scope.nodes)}"
    template = scope.nodes[name]
    kind, _, output = what.removeprefix("outputs.").partition(".")
    if what in OF_NODE or template is None:
        return ""
    if not what.startswith("outputs.") or kind not in ("parameters", "artifacts"):
        return f"of one of the {root} there are {', '.join(OF_NODE)}"
    known = [text(one, "name") for one in listing(template, "outputs", kind)]
    return "" if output in known else f"{name} gives the {kind} {_names(known)}"


def expressed(expression: str, scope: Scope) -> Iterator[str]:
    """Why names in an expression are not defined there."""
    expression = TAG.sub("0", expression)  # a tag within is looked at as a tag
    for root, plain, quoted in PARAMETER.findall(expression):
        name = plain or quoted
        known = scope.inputs["parameters"] if root == "inputs" else scope.parameters
        free = name == "json" or (root == "workflow" and scope.open)
        if name not in known and not free:
            yield (f"{root}.parameters[{name!r}] is not defined: known are {_names(known)}")
    for root, plain, quoted in NODE.findall(expression):
        if said := _node(root, f"{plain or quoted}.status", scope):
            yield f"{root}[{plain or quoted!r}] is not defined: {said}"
    for name in LAST.findall(expression):
        if name not in ("exitCode", "status", "duration", "message"):
            yield f"lastRetry.{name} is not defined: there are exitCode, status, duration, message"
    if not scope.item and re.search(r"(?<![\w.])item\b", STRING.sub("", expression)):
        yield f"item is not defined: {NO_ITEM}"
    if NUMBER.search(expression):
        yield "lastRetry.exitCode is a text: compare asInt(lastRetry.exitCode) with numbers"


def _names(known: Any) -> str:
    return ", ".join(sorted(known)[:12]) or "none"
