"""Kubernetes' own schemas, asked once for all objects of a kind.

kubernetes-validate reads a megabyte of definitions for each question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import kubernetes_validate


def validate(docs: Iterable[dict[str, Any]], version: str) -> None:
    """Raises a ValidationError if Kubernetes of that version does not take one as it is."""
    lists: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for doc in docs:
        lists.setdefault((doc["apiVersion"], doc["kind"]), []).append(doc)
    for (api, kind), items in lists.items():
        whole = {"apiVersion": api, "kind": f"{kind}List", "metadata": {}, "items": items}
        kubernetes_validate.validate(whole, version, strict=True)
