"""The check of pods finds what it is there to find."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.restricted import violations

GOOD: dict[str, Any] = {
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "main",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
}


def test_a_good_pod() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda pod, main: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod, main: pod["volumes"][0].update(hostPath={}), "volume tmp: hostPath"),
        (lambda pod, main: pod["securityContext"].update(runAsUser=0), "main: runAsUser"),
        (lambda pod, main: pod["securityContext"].pop("runAsNonRoot"), "main: runAsNonRoot"),
        (lambda pod, main: pod["securityContext"].pop("seccompProfile"), "main: seccompProfile"),
        (lambda pod, main: main.update(privileged=True), "main: privileged"),
        (
            lambda pod, main: main.pop("allowPrivilegeEscalation"),
            "main: allowPrivilegeEscalation",
        ),
        (lambda pod, main: main.pop("capabilities"), "main: capabilities.drop"),
        (
            lambda pod, main: main["capabilities"].update(add=["SYS_ADMIN"]),
            "main: capabilities.add",
        ),
        (lambda pod, main: main.update(procMount="Unmasked"), "main: procMount"),
        (
            lambda pod, main: pod["containers"][0].update(ports=[{"hostPort": 80}]),
            "main: hostPort",
        ),
    ],
)
def test_a_spoilt_pod(spoil: Callable[[Any, Any], object], says: str) -> None:
    pod = copy.deepcopy(GOOD)
    spoil(pod["spec"], pod["spec"]["containers"][0]["securityContext"])
    assert violations(pod) == [says]
