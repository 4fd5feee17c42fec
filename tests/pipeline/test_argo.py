"""The rendered workflows: shape, text, size, retries, rights, and what the schemas say."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pipeline import argo, argo_pod, cards, config, dag, pods, strict
from pipeline.argo_nodes import nodes
from pipeline.argo_pod import Doc
from pipeline.cards import Card
from pipeline.code import ROOT
from pipeline.config import PROFILES, Config, Detector
from pipeline.stage import Stage
from tests.schemas import validate

NAMES = sorted(path.stem for path in PROFILES.glob("*.yaml"))
VERSIONS = ("1.31", "1.34", "1.37")


class Rendered:
    def __init__(self, name: str) -> None:
        self.config = config.load(name)
        self.stages = dag.checked(self.config)
        self.doc = argo.workflow_template(self.config, self.stages)
        self.text = argo.rendered(self.config, self.stages)
        self.templates: dict[str, Doc] = {one["name"]: one for one in self.doc["spec"]["templates"]}
        self.nodes = pods.expand(self.doc)

    def containers(self) -> Iterator[tuple[str, Doc]]:
        """Every container that runs our images, by template: those of Jobs, too."""
        for name, one in self.templates.items():
            if "container" in one:
                yield name, one["container"]
            elif "resource" in one:
                job = yaml.safe_load(one["resource"]["manifest"])
                yield name, job["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture(scope="module", params=NAMES)
def one(request: pytest.FixtureRequest) -> Rendered:
    return Rendered(request.param)


@pytest.fixture(scope="module")
def demo() -> Rendered:
    return Rendered("demo")


def test_every_stage_is_one_template_that_runs_its_argv(one: Rendered) -> None:
    known = dict(one.containers())
    for stage in one.stages:
        main = known[stage.name]
        part = argo.PARTITION if stage.scope == "shard" else None
        argv = stage.argv(argo_pod.RUN, part)
        if stage.processes:
            assert main["command"] == ["python", "-m", "training.torchrun"]
            assert main["args"] == ["job", stage.module, *argv]
        else:
            assert main["command"] == ["python", "-m", stage.module]
            assert main["args"] == argv
        assert main["image"] == f"palimpsest/{stage.image}:{argo_pod.VERSION}"
    assert len(one.templates) == len(one.doc["spec"]["templates"]), "a name is used twice"


def test_every_model_with_weights_is_fetched(
    demo: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {name: Card("t", "editor", repos=(f"o/{name}",)) for name in ("sdxl", "flux", "my_vlm")}
    real["sdxl_lora"] = Card("t", "editor", repos=("o/sdxl", "o/lora"))
    known, plain = cards.card, Card("t", "base")
    monkeypatch.setattr(cards, "card", lambda role, name: (
        known(role, name) if role == "detectors" else real.get(name, plain)))  # fmt: skip
    detectors = {"deeplabv3plus": Detector(), "cnnspot": Detector(tasks=("image",)),
                 "smpdeeplab": Detector(pretrained=False),
                 "segformer": Detector(encoder="mit_b0")}  # fmt: skip
    chosen = demo.config.model_copy(update={
        "vlm": "my_vlm", "replays": {"sdxl_lora": "sdxl"}, "detectors": detectors})  # fmt: skip
    found = argo.fetches(chosen)
    assert {(one.module, one.image) for one in found} == {("jobs.fetch", "editor")}
    assert [one.args[0] for one in found] == [
        "--family=sdxl", "--family=flux", "--family=sdxl_lora", "--vlm=my_vlm",
        "--detector=deeplabv3plus", "--detector=segformer",
    ]  # fmt: skip
    templates = argo.workflow_template(chosen, demo.stages)["spec"]["templates"]
    names = [one["name"] for one in templates]
    assert "fetch-my-vlm" in names and all(re.fullmatch("[a-z0-9][-a-z0-9]*", one) for one in names)


def test_every_stage_has_a_name_that_argo_takes(demo: Rendered) -> None:
    odd = tuple(
        dataclasses.replace(stage, name=stage.name.replace("sdxl", "my_net"),
                            reads=tuple(read.replace("sdxl", "my_net") for read in stage.reads))
        for stage in demo.stages
    )  # fmt: skip
    doc = argo.workflow_template(demo.config, odd)
    found = {node.template for node in pods.expand(doc)}
    assert "edit-1-my-net" in found and not any("_" in name for name in found)


def test_the_version_is_the_projects() -> None:
    assert f'version = "{argo_pod.VERSION}"' in (ROOT / "pyproject.toml").read_text()


def _reached(one: Rendered) -> dict[str, set[str]]:
    """Every node and all that it waits for, directly or not."""
    found: dict[str, set[str]] = {}
    for node in one.nodes:
        found[node.name] = set(node.needs).union(*(found[name] for name in node.needs))
    return found


def _node(stage: Stage, partition: int) -> str:
    if stage.scope == "shard":
        return f"partitions({partition}:{partition}).{stage.name}"
    return f"finish.{'' if stage.name == 'index' else 'train-and-evaluate.'}{stage.name}"


def test_a_stage_waits_for_what_it_reads_and_a_partition_for_itself_only(one: Rendered) -> None:
    reached = _reached(one)
    by_name = {stage.name: stage for stage in one.stages}
    parts = range(one.config.local.partitions)
    for stage in one.stages:
        for k in parts:
            above = reached[_node(stage, k)]
            for read in stage.reads:
                assert _node(by_name[read], k) in above
            others = {name for name in above if re.match(rf"partitions\((?!{k}:)", name)}
            if stage.scope == "shard":
                assert not others
                task = one.templates["partition"]["dag"]["tasks"]
                depends = next(t.get("depends", "") for t in task if t["name"] == stage.name)
                assert set(depends.split(" && ")) - {""} == _direct(stage, by_name)
            else:
                assert len(others) == (len(parts) - 1) * sum(s.scope == "shard" for s in one.stages)


def _direct(stage: Stage, by_name: dict[str, Stage]) -> set[str]:
    """What it reads, but for what another dataset that it reads was made from."""

    @functools.cache
    def above(name: str) -> set[str]:
        reads = by_name[name].reads
        return set(reads).union(*(above(read) for read in reads))

    return {read for read in stage.reads
            if not any(read in above(other) for other in stage.reads if other != read)}  # fmt: skip


def test_all_begins_with_begin_and_ends_with_audit_and_the_summary(one: Rendered) -> None:
    reached = _reached(one)
    names = [node.name for node in one.nodes]
    assert one.nodes[0].template == "begin" and not one.nodes[0].needs
    assert [node.template for node in one.nodes[-3:]] == ["publish", "audit", "summary"]
    audit, summary = names[-2], names[-1]
    assert reached[audit] == set(names) - {audit, summary}
    assert one.nodes[-1].last and not one.nodes[-1].limit
    assert not any(node.last for node in one.nodes[:-1])


def test_painting_a_range_begins_and_stops_there(demo: Rendered) -> None:
    given = {"partitions": "800", "first-partition": "8", "last-partition": "9"}
    found = pods.expand(demo.doc, given, "paint")
    assert {node.template for node in found} >= {"begin", "fetch-sdxl", "assemble-train", "summary"}
    assert not {"index", "report", "audit"} & {node.template for node in found}
    score = [node for node in found if node.template == "score"]
    assert [node.name for node in score] == ["partitions(0:8).score", "partitions(1:9).score"]
    args = score[1].manifest["spec"]["containers"][0]["args"]
    assert args == ["--partition", "9/800", "--run=/data/runs/demo"]


@pytest.mark.parametrize(
    ("entrypoint", "given", "first", "last"),
    [
        ("finish", {}, "index", "audit"),
        ("train-and-evaluate", {}, "train-deeplabv3plus-binary", "audit"),
        ("partition", {"partition": "1"}, "ingest", "assemble-filtered"),
        ("fetch", {}, "fetch-sd2", "fetch-kandinsky"),
    ],
)
def test_entrypoints(
    demo: Rendered, entrypoint: str, given: dict[str, str], first: str, last: str
) -> None:
    found = [node.template for node in pods.expand(demo.doc, given, entrypoint)]
    assert (found[0], found[-2], found[-1]) == (first, last, "summary")


def test_the_papers_workflow_is_small_enough(one: Rendered) -> None:
    assert len(one.text.encode()) < 256 * 1024
    counted = nodes(one.doc)
    assert counted < 1000
    if one.config.profile == "paper":
        assert counted < 800, "no room is left for pods that are tried again"
        assert f" {counted} nodes" in (ROOT / "docs" / "workflow.md").read_text()


def test_nodes_are_those_that_argo_would_make(one: Rendered) -> None:
    """A node for each pod, another for its tries, one for each DAG and each loop."""
    tried = sum(2 if node.limit else 1 for node in one.nodes)
    dags = 4 + one.config.local.partitions  # run, fetch, finish, train-and-evaluate, partitions
    assert nodes(one.doc) == tried + dags + 1
    more = str(one.config.local.partitions + 1)
    shards = sum(stage.scope == "shard" for stage in one.stages)
    assert nodes(one.doc, {"partitions": more}) == nodes(one.doc) + 2 * shards + 1


def again(expression: str, code: int, status: str = "Failed", message: str = "") -> bool:
    """What Argo's expression says, by Python, whose words differ in one."""
    text = re.sub(r"(\S+) contains ('[^']*')", r"\2 in \1", expression)
    last = SimpleNamespace(exitCode=str(code), status=status, message=message)
    said: bool = eval(text, {"lastRetry": last, "asInt": int})
    return said


@pytest.mark.parametrize(
    ("code", "retried"),
    [(0, False), (1, False), (2, False), (64, False), (75, True), (76, True), (78, False),
     (137, True), (143, True), (-1, True)],
)  # fmt: skip
def test_a_pod_is_tried_again_by_its_exit_code(one: Rendered, code: int, retried: bool) -> None:
    for template in one.templates.values():
        if "container" not in template or template["name"] == "summary":
            continue
        how = template["retryStrategy"]
        assert how["retryPolicy"] == "Always" and how["affinity"] == {"nodeAntiAffinity": {}}
        assert again(how["expression"], code) is retried
        assert again(how["expression"], code, "Error"), "a node was lost"
    for node in one.nodes:
        if node.kind == "Pod" and not node.last:
            assert (code in node.retried) is retried and node.limit == 4


def test_the_summary_is_never_tried_again(one: Rendered) -> None:
    assert "retryStrategy" not in one.templates["summary"]
    assert one.doc["spec"]["onExit"] == "summary"


def test_text_is_static_but_for_argos_tags(one: Rendered) -> None:
    known = {f"workflow.parameters.{p['name']}" for p in argo.parameters(one.config)}
    known |= {"inputs.parameters.partition", "workflow.namespace", "workflow.name", "item"}
    assert set(re.findall(r"\{\{(.*?)\}\}", one.text)) <= known
    bare = re.sub(r"\{\{.*?\}\}", "", one.text)
    assert not re.search(r"\{\w+\}|%[sd(]|\bNone\b|(?<!')\b(True|False)\b|<\w+ object", bare)
    assert "\t" not in one.text and "&id" not in one.text


def test_rendering_twice_gives_the_same_bytes(one: Rendered) -> None:
    assert Rendered(one.config.profile).text == one.text
    assert yaml.safe_load(one.text) == one.doc


def _unique(one: Rendered) -> list[pods.Node]:
    return list({node.template: node for node in one.nodes}.values())


def _pods(one: Rendered) -> Iterator[Doc]:
    for node in _unique(one):
        yield from pods.members(node.manifest, "a-job") if node.kind == "Job" else [node.manifest]


def test_every_pod_is_restricted(one: Rendered) -> None:
    for pod in _pods(one):
        spec, (main,) = pod["spec"], pod["spec"]["containers"]
        own = spec["securityContext"]
        assert own["runAsNonRoot"] is True and own["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["runAsUser"] == own["runAsGroup"] == own["fsGroup"] == 10001
        assert own["fsGroupChangePolicy"] == "OnRootMismatch"
        assert main["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == "palimpsest"
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {
                "persistentVolumeClaim", "configMap", "secret", "emptyDir"
            }  # fmt: skip


def test_the_token_and_the_network_are_for_fetching_only(one: Rendered) -> None:
    for name, main in one.containers():
        mounted = {mount["name"]: mount for mount in main["volumeMounts"]}
        env = {item["name"]: item.get("value") for item in main["env"]}
        fetch = name.startswith("fetch-")
        assert ("hf-token" in mounted) is fetch
        assert ("HF_HUB_OFFLINE" not in env) is fetch
        assert mounted["models"].get("readOnly", False) is not fetch
        assert ("config" in mounted) is (fetch or name == "begin")
        assert ("shm" in mounted) is (not main["image"].startswith("palimpsest/base:"))
        assert not any("TOKEN" in key or "token" in (value or "") for key, value in env.items())


def test_gpus_are_asked_for_as_the_cards_say(one: Rendered) -> None:
    known = dict(one.containers())
    for stage in one.stages:
        wanted = known[stage.name]["resources"]
        gpu = {"nvidia.com/gpu": "1"} if stage.gpu_gib else {}
        for asked in (wanted["requests"], wanted["limits"]):
            assert {key: asked[key] for key in asked if "/" in key} == gpu
            assert all(isinstance(value, str) for value in asked.values())
        if stage.gpu_gib:
            assert int(wanted["limits"]["memory"].removesuffix("Gi")) > stage.gpu_gib
            if not stage.processes:
                about = one.templates[stage.name]["metadata"]["annotations"]
                assert about == {"palimpsest.io/gpu-gib": str(stage.gpu_gib)}


def test_every_pod_says_who_it_is(one: Rendered) -> None:
    by_name = {stage.name: stage for stage in one.stages}
    for node in one.nodes:
        labels = node.manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "palimpsest"
        assert labels["palimpsest.io/stage"].replace("_", "-") == node.template
        assert labels["palimpsest.io/run"] == one.config.profile
        stage = by_name.get(node.template)
        if stage and stage.module in ("jobs.edit", "jobs.generate"):
            assert labels["palimpsest.io/family"] == stage.args[1]
        if stage and stage.scope == "shard":
            assert f"({labels['palimpsest.io/partition']}:" in node.name


def test_argos_own_models_take_the_workflow(one: Rendered) -> None:
    from hera.workflows.models import WorkflowTemplate

    read = WorkflowTemplate.model_validate(one.doc, extra="forbid")
    assert len(read.spec.templates or []) == len(one.templates)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_pod_and_job(one: Rendered, version: str) -> None:
    found = [node.manifest for node in _unique(one) if node.kind == "Job"] + list(_pods(one))
    jobs = any(stage.processes for stage in one.stages)
    assert {doc["kind"] for doc in found} == ({"Pod", "Job"} if jobs else {"Pod"})
    validate(found, version)
    misspelt = found[-1] | {"spec": found[-1]["spec"] | {"containrs": []}}
    with pytest.raises(kubernetes_validate.ValidationError, match="containrs"):
        validate([*found, misspelt], version)


def _changed(base: Config, **what: Any) -> str:
    changed = Config.model_validate(base.model_dump() | what)
    return argo.dag_digest(dag.dag(changed))


def test_the_digest_tells_dags_apart_and_nothing_else() -> None:
    demo = config.load("demo")
    same = argo.dag_digest(dag.dag(demo))
    assert _changed(demo, samples=4000, seed=1, keep_score=2) == same
    assert argo.dag_digest(dag.dag(argo.mounted(demo))) == same
    assert _changed(demo, families={"sdxl": 3}) != same
    assert _changed(demo, turns={1: 1.0}) != same
    assert _changed(demo, detectors={}) != same
    assert _changed(demo, editing=demo.editing.model_dump() | {"device": "cuda"}) != same


def test_the_mounted_config_is_the_profile_with_the_pods_weights(one: Rendered) -> None:
    read = config.parse(argo.mounted(one.config).to_yaml(), "mounted")
    assert read.editing.folder == "/models"
    assert read.model_copy(update={"editing": one.config.editing}) == one.config


def test_the_rendered_text_reads_as_strict_yaml(one: Rendered) -> None:
    assert strict.mapping(one.text, "rendered") == one.doc
