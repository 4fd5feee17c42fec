"""The project's own rules for its pods, beyond what any cluster asks for.

A read-only root, limits, no token, no shell between a signal and the program, images that say which
they are, secrets as files, an end to waiting, and no second try for what cannot get better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePosixPath

from pipeline.errors import BUG, PERMANENT
from pipeline.lint_security import containers
from pipeline.lint_tree import Doc, Fault, listing, mapping, text
from pipeline.lint_values import QUANTITY

SHELLS = {"sh", "ash", "bash", "dash", "ksh", "zsh", "busybox"}
SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY)", re.I)
UNITS = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def house(pod: Doc) -> Iterator[Fault]:
    """Which of the rules a pod breaks; `where` is the container."""
    spec = mapping(pod, "spec")
    if spec.get("automountServiceAccountToken") is not False:
        yield Fault("", "it gets a token of the API server: set automountServiceAccountToken to "
                    "false")  # fmt: skip
    for volume in listing(spec, "volumes"):
        for source in listing(volume, "projected", "sources"):
            if "serviceAccountToken" in source:
                yield Fault("", f"volume {volume.get('name')!r} has a service account's token: "
                            "remove it")  # fmt: skip
    for container in containers(spec):
        name = text(container, "name")
        for rule in (_root, _limits, _image, _command, _secrets):
            yield from (Fault(name, said) for said in rule(container))


def _root(container: Doc) -> Iterator[str]:
    if mapping(container, "securityContext").get("readOnlyRootFilesystem") is not True:
        yield "securityContext.readOnlyRootFilesystem is not true: set it, and write to volumes"


def _limits(container: Doc) -> Iterator[str]:
    limits = mapping(container, "resources", "limits")
    requests = mapping(container, "resources", "requests")
    for kind in [kind for kind in ("cpu", "memory") if kind not in limits]:
        yield f"resources.limits.{kind} is missing: set it, or one pod can starve its node"
    for kind in sorted(set(limits) & set(requests)):
        if amount(requests[kind]) > amount(limits[kind]):
            yield f"resources.requests.{kind} {requests[kind]} is above its limit {limits[kind]}"
        elif "/" in kind and amount(requests[kind]) != amount(limits[kind]):
            yield f"resources: {kind} cannot be overcommitted: request as many as the limit says"


def amount(quantity: object) -> Decimal:
    """A quantity as a number; 0 for what is none."""
    found = QUANTITY.fullmatch(str(quantity))
    if not found:
        return Decimal(0)
    unit = found[3] or ""
    number = Decimal(str(quantity).removesuffix(unit))
    if unit.endswith("i"):
        return number * Decimal(1024 ** ("KMGTPE".index(unit[0]) + 1))
    return number.scaleb(UNITS.get(unit, 0) if unit in UNITS else int(unit[1:]))


def _image(container: Doc) -> Iterator[str]:
    image = text(container, "image")
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and tag in ("", "latest"):
        yield f"image {image} may be another one tomorrow: give a tag or a digest"


def _command(container: Doc) -> Iterator[str]:
    command = container.get("command")
    first = command[0] if isinstance(command, list) and command else None
    if not isinstance(first, str):
        yield "command is missing: say what runs as a list of words"
    elif PurePosixPath(first).name in SHELLS or " " in first:
        yield f"command {first!r}: start the program itself, or a shell swallows SIGTERM"


def _secrets(container: Doc) -> Iterator[str]:
    for one in listing(container, "env"):
        name = text(one, "name")
        if mapping(one, "valueFrom", "secretKeyRef"):
            yield f"env {name} is a secret: mount it as a file, which no child process inherits"
        elif SECRET.search(name) and one.get("value"):
            yield f"env {name} looks like a secret in plain sight: mount one as a file"
    for one in listing(container, "envFrom"):
        if "secretRef" in one:
            yield "envFrom a secret: mount it as a file, which no child process inherits"


def again(retried: frozenset[int], limit: int) -> Iterator[str]:
    """What is wrong with when a pod is tried again."""
    for code in sorted(retried & {BUG, PERMANENT}):
        yield (f"retryStrategy tries again after exit code {code}, which cannot get better: leave "
               "it out")  # fmt: skip
    if retried and limit < 1:
        yield "retryStrategy has no limit: give one, or it may try for ever"
