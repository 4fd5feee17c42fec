"""submit: a workflow of the installed template, or one sentence that says what to do."""

from pathlib import Path

import pytest

from pipeline.cluster.submit import fullname
from tests.pipeline.cluster.apiserver import Server, Store
from tests.pipeline.cluster.conftest import Call, template, workflow


def test_it_creates_a_workflow_of_the_template(store: Store, palimpsest: Call) -> None:
    code, out, err = palimpsest("submit", "--run-id", "r1", "--photos", "/data/photos",
                                "--partitions", "4")  # fmt: skip
    assert (code, err) == (0, "")
    (made,) = [one for key, one in store.objects.items() if key[1] == "workflows"]
    assert made["metadata"]["name"].startswith("palimpsest-demo-x")
    assert made["metadata"]["labels"]["palimpsest.io/run"] == "r1"
    assert made["spec"] == {
        "workflowTemplateRef": {"name": "palimpsest-demo"},
        "arguments": {"parameters": [
            {"name": "run-id", "value": "r1"}, {"name": "photos", "value": "/data/photos"},
            {"name": "partitions", "value": "4"},
        ]},
    }  # fmt: skip
    assert out.splitlines() == [
        f"submitted {made['metadata']['name']} in namespace lab: run r1",
        "  palimpsest status r1 --watch",
        "  palimpsest logs r1 --follow",
    ]


def test_the_run_is_the_templates_where_none_is_given(store: Store, palimpsest: Call) -> None:
    code, out, _ = palimpsest("submit", "--context", "lab")
    assert code == 0 and ": run demo\n" in out
    assert "palimpsest status demo --watch --context lab\n" in out


def test_another_release(store: Store, palimpsest: Call) -> None:
    assert fullname("my-palimpsest") == "my-palimpsest" and fullname("r") == "r-palimpsest"
    assert fullname("a" * 30) == "a" * 30 + "-palimpses"
    store.put("workflowtemplates", template("r-palimpsest-demo"))
    assert palimpsest("submit", "--release", "r")[0] == 0


def test_a_run_that_has_ended_goes_on(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Failed"))
    assert palimpsest("submit", "--run-id", "r1")[0] == 0


@pytest.mark.parametrize("run", ["my run", "{{workflow.uid}}", "R1", "../x", "r1\n"])
def test_a_bad_run_id_reaches_no_cluster(store: Store, palimpsest: Call, run: str) -> None:
    code, _, err = palimpsest("submit", "--run-id", run)
    assert code == 78 and err.startswith(f"palimpsest: {run!r} cannot be a run id: give 1 to 52")
    assert store.asked == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--photos", "photos"], "--photos 'photos': give the absolute path of a folder in the"),
        (["--photos", "/{{pod.name}}"], "such as /data/photos, without braces"),
        (["--partitions", "0"], "--partitions 0: give 1 or more"),
    ],
)
def test_a_bad_parameter(store: Store, palimpsest: Call, args: list[str], says: str) -> None:
    code, _, err = palimpsest("submit", *args)
    assert code == 78 and says in err and store.asked == []


def test_a_run_that_a_live_workflow_is_at_work_on(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running"))
    code, _, err = palimpsest("submit", "--run-id", "r1")
    assert code == 78
    assert "the workflow palimpsest-demo-r1 is at work on run r1: see `palimpsest status r1`" in err
    assert "end it with `palimpsest stop r1`, or give another --run-id" in err
    assert not any(line.startswith("POST") for line in store.asked)


def test_also_one_that_another_program_submitted(store: Store, palimpsest: Call) -> None:
    other = workflow("r1", "Pending")
    del other["metadata"]["labels"]
    store.put("workflows", other)
    assert palimpsest("submit", "--run-id", "r1")[0] == 78
    assert palimpsest("submit", "--run-id", "r2")[0] == 0


def test_a_profile_that_is_not_installed(store: Store, palimpsest: Call) -> None:
    code, _, err = palimpsest("submit", "--profile", "paper")
    assert code == 78
    assert "there is no WorkflowTemplate palimpsest-paper in namespace lab (of ours are " in err
    assert "there: palimpsest-demo): install it with `helm install palimpsest charts/" in err


def test_a_chart_of_another_version(store: Store, palimpsest: Call) -> None:
    old = template("palimpsest-demo")
    old["spec"]["arguments"]["parameters"] = [{"name": "run-id", "value": "demo"}]
    store.put("workflowtemplates", old)
    code, _, err = palimpsest("submit", "--partitions", "3")
    assert code == 78 and "has no parameter partitions: install the chart of this version" in err


def test_a_cluster_without_argo(store: Store, palimpsest: Call) -> None:
    store.argo = False
    for command in (["submit"], ["status"], ["status", "r1"], ["logs", "r1"], ["stop", "r1"]):
        code, _, err = palimpsest(*command)
        assert code == 78
        assert err.startswith("palimpsest: the cluster has no Argo Workflows") and "helm" in err


@pytest.mark.parametrize(
    ("verb", "resource", "named"),
    [
        ("get", "workflowtemplates", "get workflowtemplates.argoproj.io"),
        ("list", "workflows", "list workflows.argoproj.io"),
        ("create", "workflows", "create workflows.argoproj.io"),
    ],
)
def test_what_the_user_may_not_do(
    store: Store, palimpsest: Call, verb: str, resource: str, named: str
) -> None:
    store.forbidden.add((verb, resource))
    code, _, err = palimpsest("submit")
    assert code == 78 and f"you may not {named} in namespace lab (403): ask for a role" in err


def test_a_namespace_that_is_not_there(store: Store, palimpsest: Call) -> None:
    store.namespaces = {"default"}
    code, _, err = palimpsest("submit")
    assert code == 78 and "no namespace lab: create it with `kubectl create namespace lab`" in err


def test_a_busy_server_is_no_fault_of_the_user(store: Store, palimpsest: Call) -> None:
    store.busy = 1
    code, _, err = palimpsest("submit")
    assert code == 75 and "(503: etcd is busy): run the same command again" in err


def test_no_kubeconfig(
    store: Store, palimpsest: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    code, _, err = palimpsest("submit")
    assert code == 78 and f"no cluster is known: there is no kubeconfig at {tmp_path}/none; " in err


def test_a_context_that_is_not_there(store: Store, palimpsest: Call) -> None:
    code, _, err = palimpsest("submit", "--context", "prod")
    assert code == 78 and "no context 'prod': give one of elsewhere, lab with --context" in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("contexts: {", "cannot be used"),
        ("- a list", "cannot be used"),
        ("", "names no current context: give one of (none)"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]", "cannot be used"),
    ],
)
def test_a_damaged_kubeconfig(
    store: Store, palimpsest: Call, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    code, _, err = palimpsest("submit")
    assert code == 78 and says in err and len(err.splitlines()) == 1


def test_credentials_that_have_expired(
    store: Store, palimpsest: Call, server: Server, tmp_path: Path
) -> None:
    server.kubeconfig(tmp_path / "kubeconfig", token="old")
    code, _, err = palimpsest("submit")
    assert code == 78 and f"{server.url} does not accept your credentials (401): log in" in err


def test_a_server_that_is_away(
    store: Store, palimpsest: Call, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace(server.url, "http://127.0.0.1:9"))
    code, _, err = palimpsest("submit")
    assert code == 75 and len(err.splitlines()) == 1
    assert "the API server at http://127.0.0.1:9 cannot be reached (" in err and "refused" in err
