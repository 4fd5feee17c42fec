"""Which cluster, which namespace: from the kubeconfig, or inside a pod from its service account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from pipeline.errors import PermanentError
from pipeline.events import clean

DEFAULT = "~/.kube/config"
IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def connect(context: str | None) -> tuple[Any, str]:
    """An API client and the namespace that is meant where none is given."""
    where = os.environ.get("KUBECONFIG") or DEFAULT
    paths = [Path(part).expanduser() for part in where.split(os.pathsep) if part]
    settings = client.Configuration()
    if not any(path.exists() for path in paths):
        return _in_pod(settings, where)
    files = [path for path in paths if path.exists()]
    wanted, namespace = _choose(files, context)
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            os.pathsep.join(map(str, files)), wanted, settings, persist_config=False
        )
    except Exception as error:  # login plugins and half-written files raise anything
        raise _unusable(files[0], error) from error
    if not settings.host.startswith(("https://", "http://")):
        raise _unusable(files[0], f"the server {settings.host!r} is no https:// address")
    return _client(settings), namespace


def _choose(files: list[Path], context: str | None) -> tuple[str, str]:
    """The context that will be used, which must be one of the files', and its namespace. As for
    kubectl, the first file that says something is right."""
    known: dict[str, dict[str, Any]] = {}
    current = ""
    for path in files:
        try:
            text = yaml.safe_load(path.read_text()) or {}
            for one in text.get("contexts") or []:
                known.setdefault(one["name"], one.get("context") or {})
            current = current or text.get("current-context") or ""
        except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError, KeyError) as error:
            raise _unusable(path, error) from error
    wanted = context or current
    if wanted not in known:
        missing = f"has no context {wanted!r}" if wanted else "names no current context"
        raise PermanentError(f"the kubeconfig {files[0]} {missing}: give one of "
                             f"{', '.join(sorted(known)) or '(none)'} with --context")  # fmt: skip
    return wanted, str(known[wanted].get("namespace") or "default")


def _in_pod(settings: client.Configuration, where: str) -> tuple[Any, str]:
    try:
        config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
        return _client(settings), IN_POD.read_text().strip()
    except (ConfigException, OSError):
        raise PermanentError(
            f"no cluster is known: there is no kubeconfig at {where}; put the file that your "
            "cluster gave you there, or name it in KUBECONFIG"
        ) from None


def _unusable(path: Path, error: object) -> PermanentError:
    return PermanentError(f"the kubeconfig {path} cannot be used ({clean(str(error))}): correct "
                          "it, or name another in KUBECONFIG")  # fmt: skip


def _client(settings: client.Configuration) -> Any:
    settings.retries = False  # a refused connection is said at once; `--watch` tries again itself
    return client.ApiClient(settings)
