"""The parts of the rehearsal that stand in for a cluster, without a container."""

from pathlib import Path

import pytest

from pipeline import config, pods
from pipeline.pods import Node
from tests.e2e import containers, engine, kubelet
from tests.e2e.cluster import image, judge, width

PROFILE = engine.ROOT / "tests" / "data" / "standin.yaml"


@pytest.fixture(scope="module")
def demo() -> dict[str, Node]:
    template, _ = containers.charted("demo")
    return {node.name: node for node in pods.expand(template)}


def test_a_pod_is_tried_again_as_its_template_says(demo: dict[str, Node]) -> None:
    plan = demo["partitions(0:0).plan"]
    again = {code: judge(plan, [code])[1] for code in (0, 1, 2, 75, 76, 78, 137, 143)}
    assert [code for code, again in again.items() if again] == [75, 76, 137, 143]
    assert plan.limit == 4


def test_a_job_ends_for_good_where_its_policy_says(demo: dict[str, Node]) -> None:
    train = demo["finish.train-and-evaluate.train-deeplabv3plus-binary"]
    assert (train.kind, width(train), image(train)) == ("Job", 2, "train")
    assert judge(train, [0, 0]) == ("exit 0+0", False)
    assert judge(train, [137, 1]) == ("exit 137+1", True)
    assert judge(train, [78, 1]) == ("exit 78+1", False)


def test_variables_are_filled_in_as_a_kubelet_does(demo: dict[str, Node]) -> None:
    job = demo["finish.train-and-evaluate.train-deeplabv3plus-binary"].manifest
    pod = pods.members(job, "job-1")[1]
    env = kubelet.environment(pod, pod["spec"]["containers"][0]["env"])
    found = {one["name"]: one["value"] for one in env}
    assert found["MASTER_ADDR"] == "job-1-0.palimpsest-ddp"
    assert found["JOB_COMPLETION_INDEX"] == "1"


def test_no_pod_waits_for_a_scraper() -> None:
    for _, maps in (containers.charted("demo"), containers.bare(PROFILE)):
        name = next(name for name in maps if name.endswith(("-demo", "-standin")))
        read = config.parse(maps[name]["data"]["config.yaml"], name)
        assert read.metrics.linger_seconds == 0
        assert config.load("demo").metrics.linger_seconds > 0


def test_only_nodes_whose_image_is_there_are_run() -> None:
    nodes = pods.expand(containers.bare(PROFILE)[0])
    kept = containers.runnable(nodes, {"base"})
    assert {node.template for node in kept} >= {"ingest", "plan", "assemble-val", "index"}
    assert all(image(node) == "base" for node in kept)
    assert containers.runnable(nodes, {"base", "train"}) == nodes


def test_pips_settings_are_mounted_not_written_into_images(tmp_path: Path) -> None:
    volumes = [one.split(":") for one in engine.mounts(tmp_path)]
    assert all(mode == "ro" for *_, mode in volumes)
    assert volumes[0][:2] == [str(tmp_path / "pip.conf"), "/etc/pip.conf"]
    assert (tmp_path / "pip.conf").read_text().startswith("[global]\n")
