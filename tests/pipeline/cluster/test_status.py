"""status: every stage and partition, whatever form the controller keeps it in; and the outcome."""

import base64
import gzip
import json

import pytest

from pipeline.cluster import planned, status
from tests.pipeline.cluster.apiserver import Object, Store
from tests.pipeline.cluster.conftest import Call, node, workflow

BEGUN = {
    **node("begin", None, "Succeeded", tries=["Succeeded"]),
    **node("ingest", 0, "Succeeded", tries=["Failed", "Succeeded"], progress="3000/3000"),
    **node("ingest", 1, "Running", tries=["Error", "Failed", "Running"], progress="450/1000"),
    **node("edit-1-sdxl", 0, "Failed", tries=["Failed"], progress="1/4",
           message="\x1b[2JError (exit code 78): no weights\nof sdxl"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def rows(out: str) -> dict[str, list[str]]:
    """The words behind each first word, where it stands first."""
    found: dict[str, list[str]] = {}
    for words in (line.split() for line in out.splitlines() if line.split()):
        found.setdefault(words[0], words[1:])
    return found


def test_every_stage_and_partition(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running", BEGUN))
    code, out, err = palimpsest("status", "r1")
    assert (code, err) == (0, "")
    assert out.startswith("run r1 · palimpsest-demo-r1 · Running · ")
    seen = rows(out)
    assert seen["all"][0] == "steps" and seen["all"][-1] == "2/6"
    assert seen["begin"][-2:] == ["100%", "done"]
    assert seen["ingest"][-4:] == ["72%", "0:done", "1:45%", "3"]
    assert seen["edit-1-sdxl"][-3:] == ["12%", "0:failed", "1:waiting"]
    assert seen["report"][-2:] == ["0%", "waiting"]
    stages = [line.split()[0] for line in out.splitlines()[3:7]]
    assert stages == ["begin", "ingest", "edit-1-sdxl", "report"]


def test_a_failure_says_its_message_on_one_line(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Failed", BEGUN))
    code, out, _ = palimpsest("status", "r1")
    assert code == 1
    said = r"edit-1-sdxl 0 failed: \x1b[2JError (exit code 78): no weights\nof sdxl"
    assert said in out.splitlines() and "\x1b" not in out
    assert "· Failed · 1 h 12 min" in out


def test_a_pod_that_waits_says_why(store: Store, palimpsest: Call) -> None:
    waiting = node("ingest", 0, "Pending", message="Unschedulable: 0/3 nodes have nvidia.com/gpu")
    store.put("workflows", workflow("r1", "Running", waiting))
    assert "ingest 0 waits: Unschedulable: 0/3 nodes have" in palimpsest("status", "r1")[1]


def test_many_partitions_are_counted(store: Store, palimpsest: Call) -> None:
    many = workflow("r1", "Running", BEGUN)
    many["spec"]["arguments"]["parameters"].append({"name": "partitions", "value": "30"})
    store.put("workflows", many)
    out = palimpsest("status", "r1")[1]
    assert " ".join(rows(out)["ingest"][-7:]) == "1 succeeded 1 running 28 waiting 3"


def test_a_low_terminal_shows_what_is_under_way() -> None:
    from datetime import UTC, datetime

    from rich.console import Console

    from pipeline.cluster import screen

    console, now = Console(width=100), datetime.now(UTC)
    with console.capture() as low:
        console.print(screen.workflow(workflow("r1", "Running", BEGUN), now, 8))
    with console.capture() as high:
        console.print(screen.workflow(workflow("r1", "Running", BEGUN), now, 20))
    assert "1 stages done, 1 wait for others" in low.get()
    assert {"ingest", "edit-1-sdxl"} <= set(rows(low.get()))
    assert not {"begin", "report"} & set(rows(low.get()))
    assert {"begin", "ingest", "edit-1-sdxl", "report"} <= set(rows(high.get()))


def test_a_range_of_partitions(store: Store) -> None:
    part = workflow("r1", "Running", {}, entrypoint="paint")
    part["spec"]["arguments"]["parameters"] += [
        {"name": "first-partition", "value": "5"}, {"name": "last-partition", "value": "7"},
    ]  # fmt: skip
    plan = planned.planned(part)
    assert plan[0] == ("begin", None) and plan[1:4] == [("ingest", n) for n in (5, 6, 7)]
    assert len(plan) == 7


def test_a_status_that_the_controller_compressed(store: Store, palimpsest: Call) -> None:
    small = workflow("r1", "Running")
    packed = base64.b64encode(gzip.compress(json.dumps(BEGUN).encode())).decode()
    small["status"].update(nodes=None, compressedNodes=packed)
    store.put("workflows", small)
    code, out, _ = palimpsest("status", "r1")
    assert code == 0 and rows(out)["ingest"][-4:] == ["72%", "0:done", "1:45%", "3"]


def test_a_status_that_lies_in_the_controllers_database(store: Store, palimpsest: Call) -> None:
    big = workflow("r1", "Running")
    big["status"].update(nodes=None, offloadNodeStatusVersion="fnv:784127654", progress="70/412")
    store.put("workflows", big)
    code, out, _ = palimpsest("status", "r1")
    assert code == 0 and "database of the workflow controller" in out and "70/412" in out
    assert "hidden" in palimpsest("status")[1]


def test_a_workflow_that_no_controller_has_seen(store: Store, palimpsest: Call) -> None:
    fresh = workflow("r1", "Running")
    del fresh["status"]
    store.put("workflows", fresh)
    code, out, _ = palimpsest("status", "r1")
    assert code == 0 and "Pending" in out and "nothing has begun yet" in out


def test_a_table_of_all_runs(store: Store, palimpsest: Call) -> None:
    assert palimpsest("status")[1] == "no runs in namespace lab\n"
    store.put("workflows", workflow("r1", "Succeeded", node("begin", None, "Succeeded")))
    store.put("workflows", workflow("r2", "Running", BEGUN))
    other = {"metadata": {"name": "of-someone-else"}, "spec": {"entrypoint": "main"}}
    store.put("workflows", other)
    code, out, _ = palimpsest("status")
    assert code == 0 and "of-someone-else" not in out
    seen = rows(out)
    assert list(seen) == ["run", "r2", "r1"]
    assert seen["r2"][1:3] == ["Running", "2/6"] and seen["r1"][1:3] == ["Succeeded", "1/6"]


def test_pages_of_a_long_list(store: Store, palimpsest: Call) -> None:
    for i in range(230):
        store.put("workflows", workflow(f"r{i:03}", "Succeeded"))
    assert len(palimpsest("status")[1].splitlines()) == 231
    assert sum("/workflows?" in line for line in store.asked) == 3


def test_a_run_that_is_not_there(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Succeeded"))
    code, _, err = palimpsest("status", "r2")
    assert code == 78
    assert "there is no workflow of run r2 in namespace lab (runs there: r1): submit it" in err


def test_the_live_workflow_of_a_run_is_meant_else_the_newest(
    store: Store, palimpsest: Call
) -> None:
    first, second, third = (workflow("r1", one) for one in ("Running", "Failed", "Succeeded"))
    for name, one in (("first", first), ("second", second), ("third", third)):
        one["metadata"]["name"] = name
        store.put("workflows", one)
    seen = palimpsest("status", "r1")[1]
    assert " · first · " in seen and " · third · " not in seen
    second["status"]["phase"] = "Running"
    seen = palimpsest("status", "r1")[1]
    assert " · first · " in seen and " · second · " in seen
    first["status"]["phase"] = second["status"]["phase"] = "Failed"
    assert " · third · " in palimpsest("status", "r1")[1]


def script(store: Store, *states: tuple[str, Object]) -> None:
    """Play the controller: one state for each look, the last one from then on."""
    left = list(states)

    def looked(one: Object) -> None:
        phase, found = left.pop(0) if len(left) > 1 else left[0]
        one["status"].update(phase=phase, nodes=found)

    store.looked = looked


@pytest.mark.parametrize(("end", "code"), [("Succeeded", 0), ("Failed", 1), ("Error", 1)])
def test_a_watch_ends_with_the_runs_outcome(
    store: Store, palimpsest: Call, end: str, code: int
) -> None:
    store.put("workflows", workflow("r1", "Running"))
    done = {**BEGUN, **node("ingest", 1, "Succeeded", tries=["Error", "Failed", "Succeeded"])}
    script(store, ("Running", {}), ("Running", BEGUN), ("Running", done), (end, done))
    found, out, err = palimpsest("status", "r1", "--watch")
    assert found == code and err == ""
    lines = out.splitlines()
    assert lines.index("begin: done") < lines.index("ingest: done, 3 retries")
    good = "palimpsest-demo-r1 has succeeded: run r1 is complete"
    assert lines[-1].startswith("palimpsest-demo-r1 has failed (" if code else good)


def test_a_watch_in_a_terminal_draws_over_itself(
    store: Store, palimpsest: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    store.put("workflows", workflow("r1", "Running"))
    script(store, ("Running", {}), ("Running", BEGUN), ("Succeeded", BEGUN))
    code, out, err = palimpsest("status", "r1", "--watch")
    assert (code, err) == (0, "")
    assert "\x1b[2K" in out and "1:45%" in out
    assert out.endswith("palimpsest-demo-r1 has succeeded: run r1 is complete\n")


def test_submit_and_watch(store: Store, palimpsest: Call) -> None:
    def looked(one: Object) -> None:
        one["status"] = workflow("r9", "Failed", BEGUN)["status"]

    store.looked = looked
    code, out, _ = palimpsest("submit", "--run-id", "r9", "--watch")
    assert code == 1 and "has failed" in out.splitlines()[-1]
    assert "submit run r9 again to go on from there" in out


def test_ctrl_c_leaves_the_run_going(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running"))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status.time, "sleep", interrupt)
        patch.setattr(status.until_ended, "__defaults__", (interrupt, None))
        code, out, err = palimpsest("status", "r1", "--watch", "--namespace", "lab")
    assert (code, err) == (130, "")
    assert "goes on without this terminal: `palimpsest status r1 --namespace lab`" in out
    assert not any(line.startswith("PATCH") for line in store.asked)


def test_an_api_that_is_away_for_a_moment(store: Store, palimpsest: Call) -> None:
    store.put("workflows", workflow("r1", "Running"))
    looks = iter(range(100))

    def looked(one: Object) -> None:
        if next(looks) == 1:
            store.busy = 3
        if next(looks) > 4:
            one["status"]["phase"] = "Succeeded"

    store.looked = looked
    assert palimpsest("status", "r1", "--watch")[0] == 0
    assert store.busy == 0


def test_an_api_that_stays_away(
    store: Store, palimpsest: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("workflows", workflow("r1", "Running"))
    monkeypatch.setattr(status, "AWAY", 0.1)

    def looked(one: Object) -> None:
        store.busy = 10**6

    store.looked = looked
    code, _, err = palimpsest("status", "r1", "--watch")
    assert code == 75 and err.endswith("run the same command again (the run goes on)\n")
