"""What cannot be played by a server without TLS, and the cluster that a pod finds by itself."""

from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from pipeline.cluster import kubeconfig
from pipeline.cluster.refusals import refusals
from pipeline.errors import PermanentError, TransientError
from tests.pipeline.cluster.apiserver import TOKEN, Server, Store
from tests.pipeline.cluster.conftest import Call

UNTRUSTED = (
    "SSLError\n[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
    "certificate (_ssl.c:1006)"
)


def refused(error: Exception) -> str:
    with pytest.raises((PermanentError, TransientError)) as found:  # noqa: SIM117
        with refusals("https://api", "list", "pods", "lab"):
            raise error
    code: int = found.value.code
    return f"{code} {found.value}"


def test_a_certificate_that_is_not_trusted() -> None:
    said = refused(ApiException(status=0, reason=UNTRUSTED))
    assert said.startswith("78 the certificate of https://api is not one that your kubeconfig")
    assert "self-signed" in said


def test_another_break_of_tls_may_pass() -> None:
    assert refused(ApiException(status=0, reason="SSLError\nEOF occurred")).startswith("75 the API")


def test_an_object_that_an_admission_refuses_names_the_reason() -> None:
    body = '{"kind": "Status", "message": "denied by policy:\\n no quota"}'
    said = refused(ApiException(status=422, reason="Invalid", body=body))
    assert said == r"78 https://api refuses to list pods (422): denied by policy:\n no quota"


def test_the_page_of_a_proxy_is_no_status() -> None:
    said = refused(ApiException(status=502, reason="Bad Gateway", body="<html>"))
    assert said.startswith("75 https://api cannot list pods now (502: Bad Gateway): run the same")


def test_a_server_without_a_scheme(
    store: Store, palimpsest: Call, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace("http://", ""))
    code, _, err = palimpsest("status")
    assert code == 78 and "is no https:// address): correct it, or name another" in err


def test_in_a_pod_its_own_cluster_and_namespace(
    store: Store, palimpsest: Call, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(settings: Any) -> None:
        settings.host, settings.api_key = server.url, {"BearerToken": f"Bearer {TOKEN}"}

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(kubeconfig.config, "load_incluster_config", load)
    monkeypatch.setattr(kubeconfig, "IN_POD", tmp_path / "namespace")
    (tmp_path / "namespace").write_text("lab\n")
    assert palimpsest("status") == (0, "no runs in namespace lab\n", "")
