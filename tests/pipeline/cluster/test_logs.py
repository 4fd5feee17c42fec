"""logs: a line an event, each saying whose it is, from all pods of a run and its training jobs."""

import json
import threading

import pytest

from pipeline.cluster import logs
from tests.pipeline.cluster.apiserver import Object, Store, slowly
from tests.pipeline.cluster.conftest import Call, workflow

EVENT = "2026-11-21T06:40:03Z ingest 0/2 shard 00003 committed: 16 in, 16 out, 3.2 s"
JSON = json.dumps({"time": "2026-11-21T06:40:03Z", "event": "shard-committed", "run": "r1"})


def pod(stage: str, partition: str = "", phase: str = "Running", **more: Object) -> Object:
    words = ["--partition", partition] if partition else []
    return {
        "metadata": {
            "name": f"demo-{stage}-{partition.replace('/', '-')}",
            "labels": {"workflows.argoproj.io/workflow": "palimpsest-demo-r1",
                       "palimpsest.io/stage": stage},
            **more.get("metadata", {}),
        },
        "spec": {"containers": [
            {"name": "wait"}, {"name": "main", "args": words} | more.get("main", {}),
        ]},
        "status": {"phase": phase},
    }  # fmt: skip


@pytest.fixture
def pods(store: Store) -> Store:
    store.put("workflows", workflow("r1", "Running"))
    for one, lines in (
        (pod("ingest", "0/2"), [EVENT, "Traceback (most recent call last):"]),
        (pod("ingest", "1/2"), [JSON, "a \x1b[31mred\x1b[0m line", "\udcff"]),
        (pod("score", "1/2"), ["scored"]),
    ):
        store.put("pods", one)
        store.logs[one["metadata"]["name"]] = lines
    return store


def test_every_line_says_whose_it_is(pods: Store, palimpsest: Call) -> None:
    code, out, err = palimpsest("logs", "r1")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        EVENT,
        "ingest 0/2 | Traceback (most recent call last):",
        JSON,
        r"ingest 1/2 | a \x1b[31mred\x1b[0m line",
        "ingest 1/2 | \ufffd",
        "score 1/2 | scored",
    ]


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["--stage", "score"], 1),
        (["--partition", "1"], 4),
        (["--stage", "ingest", "--partition", "0"], 2),
    ],
)
def test_a_choice_of_them(pods: Store, palimpsest: Call, args: list[str], lines: int) -> None:
    assert len(palimpsest("logs", "r1", *args)[1].splitlines()) == lines


def test_nothing_left(pods: Store, palimpsest: Call) -> None:
    code, out, err = palimpsest("logs", "r1", "--stage", "report")
    assert (code, out) == (0, "")
    assert "no pods of palimpsest-demo-r1 match: those that have succeeded are removed" in err


def test_pods_of_a_training_job_and_not_argos_own(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running"))
    waits = pod("train-unet", main={"command": ["argoexec", "resource", "create"]})
    rank = pod("train-unet", metadata={
        "name": "job-1", "annotations": {"batch.kubernetes.io/job-completion-index": "1"},
        "labels": {"workflows.argoproj.io/workflow": "palimpsest-demo-r1",
                   "palimpsest.io/stage": "train-unet"},
    })  # fmt: skip
    store.put("pods", waits)
    store.put("pods", rank)
    store.logs = {"demo-train-unet-": ["time=... level=info"], "job-1": ["NCCL"]}
    assert palimpsest("logs", "r1")[1] == "train-unet rank 1 | NCCL\n"
    waits["status"]["phase"] = "Failed"
    assert "train-unet | time=... level=info" in palimpsest("logs", "r1")[1]


def test_a_pod_that_has_not_started(pods: Store, palimpsest: Call) -> None:
    pods.put("pods", pod("edit-1-sdxl", "0/2", "Pending"))
    code, out, err = palimpsest("logs", "r1")
    assert code == 0 and len(out.splitlines()) == 6
    assert err == "edit-1-sdxl 0/2: has not started yet\n"


def test_who_may_not(pods: Store, palimpsest: Call) -> None:
    pods.forbidden.add(("get", "pods/log"))
    code, _, err = palimpsest("logs", "r1")
    assert code == 78 and "you may not get pods/log in namespace lab (403)" in err


def test_following_until_the_end(pods: Store, palimpsest: Call) -> None:
    """A pod that comes later, a stream that breaks, and the last lines after the workflow's end."""
    late, looks = pod("edit-1-sdxl", "0/2", "Pending"), 0
    pods.put("pods", late)
    broken = threading.Event()

    def twice() -> list[str]:
        if not broken.is_set():
            broken.set()
            return ["one", "two", "BREAK"]
        return ["one", "two", "three"]

    pods.logs["demo-score-1-2"] = lambda: iter(twice())
    pods.logs["demo-edit-1-sdxl-0-2"] = slowly(["loading", "painted"], 0.1)

    def looked(one: Object) -> None:
        nonlocal looks
        looks += one["kind"] == "Workflow" if "kind" in one else 1
        if looks > 3:
            late["status"]["phase"] = "Running"
        if looks > 5:
            one["status"]["phase"] = "Succeeded"

    pods.looked = looked
    code, out, err = palimpsest("logs", "r1", "--follow")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("score")] == [
        "score 1/2 | one", "score 1/2 | two", "score 1/2 | three",
    ]  # fmt: skip
    assert "edit-1-sdxl 0/2 | painted" in lines and EVENT in lines and JSON in lines
    assert len(lines) == 10


def test_a_long_line_stays_whole() -> None:
    line = json.dumps({"event": "failed", "traceback": "x" * 50_000})
    assert logs.shown(line, pod("ingest", "0/2")) == line
