"""What a cluster may answer instead of what was asked, each as one sentence with the way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException

from pipeline.errors import PalimpsestError, PermanentError, TransientError
from pipeline.events import clean

#: What the API server says when it is busy, restarting or was overtaken by someone else.
AGAIN = {408, 409, 410, 429, 500, 502, 503, 504}
ARGO = (
    "the cluster has no Argo Workflows (argoproj.io/v1alpha1): install it with `helm install "
    "argo-workflows argo-workflows --repo https://argoproj.github.io/argo-helm "
    "--namespace argo --create-namespace`"
)


class Absent(PermanentError):
    """The API is there, the object is not."""


class NotYet(TransientError):
    """A container that has not started, asked for its log."""


@contextmanager
def refusals(host: str, doing: str, resource: str, namespace: str) -> Iterator[None]:
    """Turn what the client raises while `doing` (a verb of RBAC) into our errors."""
    try:
        yield
    except ApiException as error:
        raise _refused(error, host, doing, resource, namespace) from error
    except urllib3.exceptions.HTTPError as error:
        raise _unreachable(host, error) from error


def _refused(
    error: ApiException, host: str, doing: str, resource: str, namespace: str
) -> PalimpsestError:
    if error.status == 0:
        return _unreachable(host, error.reason)
    details = _status(error.body)
    says = clean(str(details.get("message") or error.reason))
    if error.status == 401:
        return PermanentError(
            f"{host} does not accept your credentials (401): log in anew, or choose another "
            "--context"
        )
    if error.status == 403:
        return PermanentError(
            f"you may not {doing} {resource} in namespace {namespace} (403): ask for a role that "
            "may, or choose another --context or --namespace"
        )
    if error.status == 404:
        return _absent(details, resource, namespace)
    if error.status == 400 and "waiting to start" in says:
        return NotYet(says)
    if error.status in AGAIN:
        return TransientError(f"{host} cannot {doing} {resource} now ({error.status}: {says}): "
                              "run the same command again")  # fmt: skip
    return PermanentError(f"{host} refuses to {doing} {resource} ({error.status}): {says}")


def _absent(details: dict[str, Any], resource: str, namespace: str) -> PermanentError:
    """An object that is not there is named in the answer; of an API that is not there, the server
    knows nothing."""
    named = details.get("details") or {}
    if named.get("kind") == "namespaces":
        return PermanentError(
            f"there is no namespace {namespace}: create it with `kubectl create namespace "
            f"{namespace}`, or choose another --namespace"
        )
    if named.get("name"):
        return Absent(f"there is no {clean(str(named['name']))} of {resource} in {namespace}")
    return PermanentError(ARGO)


def _status(body: Any) -> dict[str, Any]:
    """The `Status` object of an answer, {} if it is none (a proxy's page, say)."""
    try:
        found = json.loads(body)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unreachable(host: str, error: object) -> PalimpsestError:
    why = clean(str(getattr(error, "reason", None) or error).rsplit(": ", 1)[-1])
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return PermanentError(
            f"the certificate of {host} is not one that your kubeconfig trusts ({why}): correct "
            "its certificate-authority"
        )
    return TransientError(
        f"the API server at {host} cannot be reached ({why}): check the network, VPN and "
        "--context, then run the same command again"
    )
