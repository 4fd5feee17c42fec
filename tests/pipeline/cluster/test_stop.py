"""stop: Argo is asked to end the workflow, and what is left is said."""

import pytest

from pipeline.cluster import stop
from tests.pipeline.cluster.apiserver import Object, Store
from tests.pipeline.cluster.conftest import Call, node, workflow


def obey(one: Object) -> None:
    if "shutdown" in one["spec"]:
        one["status"].update(phase="Failed", message="Stopped with strategy 'Stop'")


@pytest.mark.parametrize(("args", "how"), [([], "Stop"), (["--now"], "Terminate")])
def test_it_asks_and_waits(store: Store, palimpsest: Call, args: list[str], how: str) -> None:
    running = store.put("workflows", workflow("r1", "Running", node("begin", None, "Succeeded")))
    store.looked = obey
    code, out, err = palimpsest("stop", "r1", *args)
    assert (code, err) == (0, "") and running["spec"]["shutdown"] == how
    first, second, last = out.splitlines()
    assert first.startswith("stopping palimpsest-demo-r1 (")
    assert second == "stopped palimpsest-demo-r1: 1 steps had succeeded"
    assert last.startswith("`palimpsest submit --run-id r1` (with the same profile) goes on")


def test_every_workflow_of_a_large_run_is_stopped(store: Store, palimpsest: Call) -> None:
    for name in ("first", "second"):
        one = workflow("r1", "Running", entrypoint="paint")
        one["metadata"]["name"] = name
        store.put("workflows", one)
    store.looked = obey
    code, out, _ = palimpsest("stop", "r1")
    assert code == 0 and "stopped first: " in out and "stopped second: " in out


def test_a_training_job_does_not_outlive_its_workflow(store: Store, palimpsest: Call) -> None:
    """One that has ended stays, for its logs; and so does another workflow's."""
    store.put("workflows", workflow("r1", "Running"))
    for name, of, active in (
        ("trains", "palimpsest-demo-r1", 2), ("failed", "palimpsest-demo-r1", 0), ("other", "o", 2),
    ):  # fmt: skip
        labels = {"workflows.argoproj.io/workflow": of}
        job: Object = {"metadata": {"name": name, "labels": labels}, "status": {"failed": 1}}
        if active:
            job["status"] = {"active": active}
        store.put("jobs", job)
    store.looked = obey
    code, out, err = palimpsest("stop", "r1", "--now")
    assert (code, err) == (0, "") and "ended the training trains; " in out
    assert sorted(name for _, kind, name in store.objects if kind == "jobs") == ["failed", "other"]
    (asked,) = [line for line in store.asked if line.startswith("DELETE")]
    assert "propagationPolicy=Background" in asked


def test_what_has_ended_is_let_be(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Succeeded"))
    code, out, _ = palimpsest("stop", "r1")
    assert (code, out) == (0, "palimpsest-demo-r1 has ended already (Succeeded)\n")
    assert not any(line.startswith("PATCH") for line in store.asked)


def test_who_may_not(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running"))
    store.forbidden.add(("patch", "workflows"))
    code, _, err = palimpsest("stop", "r1")
    assert code == 78 and "you may not patch workflows.argoproj.io in namespace lab" in err


def test_a_controller_that_is_down(
    store: Store, palimpsest: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("workflows", workflow("r1", "Running"))
    monkeypatch.setattr(stop, "PATIENCE", 0.1)
    code, out, err = palimpsest("stop", "r1")
    assert code == 75 and out.startswith("stopping ")
    assert "has not ended within 0 s: is Argo's workflow controller up?" in err
