"""What a site sets arrives in the pods and Jobs that it means, and in no others."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.errors import HelmError

from pipeline import argo, config, dag, pods, schema
from tests.charts.rendered import CHART, NAMESPACE, nodes, notes, objects, of, render, workflow

Doc = dict[str, Any]


def spec(node: pods.Node) -> Doc:
    found: Doc = node.manifest["spec"]
    return found if node.kind == "Pod" else found["template"]["spec"]


def main(node: pods.Node) -> Doc:
    found: Doc = spec(node)["containers"][0]
    return found


def test_the_mounted_config_is_the_rendered_one_to_the_byte() -> None:
    maps = {doc["metadata"]["name"]: doc["data"]["config.yaml"] for doc in
            of("ConfigMap", objects("defaults")) if "config.yaml" in doc["data"]}  # fmt: skip
    for path in sorted((CHART / "files" / "config").glob("*.yaml")):
        assert maps[f"palimpsest-config-{path.stem}"].strip() == path.read_text().strip()
    assert len(maps) >= 3


def test_an_override_of_the_config_leaves_the_rest() -> None:
    docs = objects("existing-claims")
    (text,) = (doc["data"]["config.yaml"] for doc in of("ConfigMap", docs)
               if doc["metadata"]["name"] == "palimpsest-config-paper")  # fmt: skip
    found = config.parse(text, "paper")
    shipped = config.read(CHART / "files" / "config" / "paper.yaml")
    assert (found.samples, found.editing.batch) == (6000, 8)
    assert found.detectors["deeplabv3plus"].steps == 1000
    changed = {"samples", "editing", "detectors"}
    assert found.model_dump(exclude=changed) == shipped.model_dump(exclude=changed)


def test_an_override_keeps_the_order_and_so_the_graph() -> None:
    """The order of families is the order of stages; the workflow was rendered from them."""
    given = {
        name: {
            "seed": 7, "keep_score": 0, "edit_types": {"removal": 0}, "bases": {"ai_share": 0.25},
            "editing": {"guidance": 2.5},
            "detectors": {"deeplabv3plus": {"learning_rate": 1e-7, "steps": 7}},
        }
        for name in ("demo", "paper", "one-family")
    }  # fmt: skip
    docs = render({"config": given})
    for name in given:
        (text,) = (doc["data"]["config.yaml"] for doc in of("ConfigMap", docs)
                   if doc["metadata"]["name"] == f"palimpsest-config-{name}")  # fmt: skip
        found = config.parse(text, name)
        assert (found.seed, found.keep_score, found.edit_types["removal"]) == (7, 0, 0)
        assert (found.bases.ai_share, found.editing.guidance) == (0.25, 2.5)
        detector = found.detectors["deeplabv3plus"]
        assert (detector.learning_rate, detector.steps) == (1e-7, 7)
        shipped = config.read(CHART / "files" / "config" / f"{name}.yaml")
        assert argo.dag_digest(dag.dag(found)) == argo.dag_digest(dag.dag(shipped))


def test_the_name_of_a_release_is_in_every_name() -> None:
    docs = render({}, name="r7")
    assert {doc["metadata"]["name"].startswith("r7-palimpsest") for doc in docs} == {True}
    for node in nodes(docs):
        found = spec(node)
        assert found["serviceAccountName"] == "r7-palimpsest"
        if node.kind == "Job":
            env = {one["name"]: one.get("value") for one in main(node)["env"]}
            assert found["subdomain"] == "r7-palimpsest-ddp"
            assert env["MASTER_ADDR"] == "$(JOB_NAME)-0.r7-palimpsest-ddp"


def test_the_service_finds_the_pods_of_a_job_and_no_others() -> None:
    docs = objects("defaults")
    (service,) = of("Service", docs)
    wanted = service["spec"]["selector"].items()
    found = Counter(
        (node.kind, wanted <= (node.manifest["spec"].get("template", node.manifest)
                               ["metadata"]["labels"].items()))
        for node in nodes(docs)
    )  # fmt: skip
    assert found["Job", True] == 6 and found["Pod", False] > 100
    assert not found["Job", False] and not found["Pod", True]


def test_images_come_from_the_registry_and_by_digest() -> None:
    for node in nodes(objects("restricted")):
        image = main(node)["image"]
        assert image.startswith("registry.example.org/palimpsest/") and "@sha256:" in image
        assert spec(node)["imagePullSecrets"] == [{"name": "registry"}]


def test_global_wins() -> None:
    for node in nodes(objects("air-gapped")):
        assert main(node)["image"].startswith("registry.internal:5000/palimpsest/")
        assert spec(node)["imagePullSecrets"] == [{"name": "registry"}]


def test_a_slice_of_a_gpu_for_all_but_one_family() -> None:
    seen = Counter()
    for node in nodes(objects("mig")):
        limits = main(node)["resources"]["limits"]
        names = [name for name in limits if "/" in name]
        chosen = spec(node).get("nodeSelector", {}).get("nvidia.com/gpu.product", "")
        keys = [one["key"] for one in spec(node).get("tolerations", ())]
        family = node.manifest["metadata"]["labels"].get("palimpsest.io/family")
        kind = "flux" if family == "flux" else "other"
        seen[kind, *names] += 1
        if names == ["nvidia.com/gpu"]:
            assert limits["memory"] == "96Gi" and limits["nvidia.com/gpu"] == "1"
            assert chosen == "NVIDIA-H100-80GB-HBM3" and "whole-gpu" in keys
        elif names:
            assert chosen.endswith("MIG-3g.40gb") and keys == ["nvidia.com/gpu"]
        elif kind == "other":
            assert not chosen and not keys
    assert seen["flux", "nvidia.com/gpu"] and seen["other", "nvidia.com/mig-3g.40gb"]
    assert not seen["other", "nvidia.com/gpu"] and not seen["flux", "nvidia.com/mig-3g.40gb"]


def test_kueue_admits_pods_and_jobs_but_not_the_pods_of_jobs() -> None:
    docs = objects("kueue")
    for node in nodes(docs):
        assert node.manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
        if node.kind == "Job":
            inner = node.manifest["spec"]["template"]["metadata"]["labels"]
            assert not [key for key in inner if key.startswith("kueue")]
            assert inner["example.org/team"] == "vision"
        assert spec(node)["priorityClassName"] == "batch"
    found = workflow("paper", docs)["spec"]
    assert found["parallelism"] == 500
    assert {"name": "partitions", "value": "10"}.items() <= (
        next(p for p in found["arguments"]["parameters"] if p["name"] == "partitions").items()
    )


def test_whole_numbers_stay_whole() -> None:
    given = {"workflow": {"parameters": {"partitions": 1000000}, "ttlSeconds": 20000000},
             "config": {"paper": {"samples": 60000000}}}  # fmt: skip
    docs = render(given)
    found = workflow("paper", docs)["spec"]
    assert found["ttlStrategy"] == {"secondsAfterCompletion": 20000000}
    assert {p["name"]: p["value"] for p in found["arguments"]["parameters"]}[
        "partitions"
    ] == "1000000"
    assert "samples: 60000000\n" in str(yaml.safe_dump(of("ConfigMap", docs)).replace("\\n", "\n"))


def test_one_node_keeps_all_pods_together_and_fears_none() -> None:
    docs = objects("minimal")
    term = "requiredDuringSchedulingIgnoredDuringExecution"
    for node in nodes(docs):
        (together,) = spec(node)["affinity"]["podAffinity"][term]
        assert together["topologyKey"] == "kubernetes.io/hostname"
        assert together["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"]
    templates = workflow("demo", docs)["spec"]["templates"]
    assert not [one for one in templates if "affinity" in one.get("retryStrategy", {})]
    assert [one for one in templates if "retryStrategy" in one]


def test_only_fetching_pods_have_the_token_and_the_way_out() -> None:
    docs = objects("restricted")
    for node in nodes(docs):
        secrets = [v["secret"]["secretName"] for v in spec(node)["volumes"] if "secret" in v]
        fetches = node.template.startswith("fetch-")
        assert secrets == (["hub-token"] if fetches else [])
        labels = node.manifest["metadata"]["labels"]
        assert (labels["app.kubernetes.io/component"] == "fetch") == fetches
    policies = {doc["metadata"]["name"]: doc["spec"] for doc in of("NetworkPolicy", docs)}
    everywhere = [
        (name, rule["to"])
        for name, policy in policies.items()
        for rule in policy.get("egress", ())
        if any(peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0" for peer in rule.get("to", ()))
    ]
    assert [name for name, _ in everywhere] == ["palimpsest-fetch"]
    wanted = policies["palimpsest-fetch"]["podSelector"]["matchLabels"]
    assert wanted["app.kubernetes.io/component"] == "fetch"


def test_offline_closes_the_way_out() -> None:
    docs = objects("air-gapped")
    assert "palimpsest-fetch" not in [d["metadata"]["name"] for d in of("NetworkPolicy", docs)]
    fetch = [node for node in nodes(docs) if node.template.startswith("fetch-")]
    assert fetch
    for node in fetch:
        env = [one["name"] for one in main(node)["env"]]
        assert env.count("HF_HUB_OFFLINE") == 1


def test_a_mirror_and_a_proxy_are_for_fetching_pods() -> None:
    models = {"endpoint": "https://hub.example.org", "env": {"HTTPS_PROXY": "http://p:3128"}}
    for node in nodes(render({"profiles": ["paper"], "models": models})):
        env = {one["name"]: one.get("value") for one in main(node)["env"]}
        fetches = node.template.startswith("fetch-")
        assert ("HF_ENDPOINT" in env, "HTTPS_PROXY" in env) == (fetches, fetches)


def test_the_executor_may_do_no_more_than_it_must() -> None:
    docs = objects("restricted")
    rules = {doc["metadata"]["name"]: doc["rules"] for doc in of("Role", docs)}
    assert rules["palimpsest-executor"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"],
         "verbs": ["create", "patch"]},
        {"apiGroups": ["batch"], "resources": ["jobs"],
         "verbs": ["create", "get", "list", "watch", "delete", "patch"]},
    ]  # fmt: skip
    bound = {doc["metadata"]["name"]: doc["subjects"] for doc in of("RoleBinding", docs)}
    assert bound["palimpsest-executor"] == [
        {"kind": "ServiceAccount", "name": "palimpsest-executor", "namespace": NAMESPACE}
    ]
    assert [one["name"] for one in bound["palimpsest-submitter"]] == ["researchers"]
    (secret,) = of("Secret", docs)
    assert secret["metadata"]["name"] == "palimpsest-executor.service-account-token"
    assert {doc["automountServiceAccountToken"] for doc in of("ServiceAccount", docs)} == {False}
    assert workflow("demo", docs)["spec"]["executor"] == {
        "serviceAccountName": "palimpsest-executor"
    }


def test_claims_are_kept_and_existing_ones_not_made() -> None:
    made = of("PersistentVolumeClaim", objects("defaults"))
    assert [doc["metadata"]["name"] for doc in made] == ["palimpsest-data", "palimpsest-models"]
    for doc in made:
        assert doc["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert doc["spec"]["accessModes"] == ["ReadWriteMany"]
        assert "storageClassName" not in doc["spec"]
    assert not of("PersistentVolumeClaim", objects("existing-claims"))
    none = {"storage": {"data": {"storageClassName": "-"}}}
    assert of("PersistentVolumeClaim", render(none))[0]["spec"]["storageClassName"] == ""


def test_the_platform_may_choose_the_user() -> None:
    for given, wanted in ((4242, {"runAsUser", "runAsGroup", "fsGroup"}), (None, set())):
        for node in nodes(render({"profiles": ["demo"], "pods": {"userId": given}})):
            context = spec(node)["securityContext"]
            assert {key for key, value in context.items() if value == given} == wanted
            assert context["runAsNonRoot"] is True
            assert given or not {"runAsUser", "runAsGroup", "fsGroup"} & set(context)


def test_dev_shm() -> None:
    given = {"profiles": ["demo"], "pods": {"shmSize": "48Gi"}}
    sizes = [
        volume["emptyDir"]["sizeLimit"]
        for node in nodes(render(given))
        for volume in spec(node)["volumes"]
        if volume["name"] == "shm"
    ]
    assert len(sizes) > 20 and set(sizes) == {"48Gi"}


def test_the_first_command_of_the_notes_names_what_is_there() -> None:
    for given in ({}, {"profiles": ["paper", "one-family"]}, {"profiles": ["paper", "demo"]}):
        text = notes(given, name="r7")
        first = text.split("workflowtemplate/")[1].split()[0]
        names = [doc["metadata"]["name"] for doc in of("WorkflowTemplate", render(given, "r7"))]
        assert first in names and f"-n {NAMESPACE} --from" in text
        sent = yaml.safe_load(text.split("<<'YAML'\n")[1].split("  YAML")[0])
        assert sent["spec"]["workflowTemplateRef"]["name"] == first
    assert first.endswith("-demo")
    assert "No registry is set" in notes({})
    assert "No registry is set" not in notes({"images": {"registry": "registry.example.org"}})


def test_the_doctor_looks_at_a_gpu_when_asked() -> None:
    (plain,) = of("Pod", render({}))
    (asked,) = of("Pod", render({"doctor": {"gpu": True}, "gpu": {"resourceName": "amd.com/gpu"}}))
    assert plain["metadata"]["annotations"]["helm.sh/hook"] == "test"
    one, two = (pod["spec"]["containers"][0] for pod in (plain, asked))
    assert one["args"] == ["doctor", "--data", "/data", "--models", "/models"]
    assert two["args"] == [*one["args"], "--gpu"]
    assert two["resources"]["limits"]["amd.com/gpu"] == "1" and "editor" in two["image"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The chart with a profile that a site rendered itself."""
    folder = tmp_path / "palimpsest"
    shutil.copytree(CHART, folder)
    for kind in ("workflows", "config"):
        shutil.copy(folder / f"files/{kind}/demo.yaml", folder / f"files/{kind}/mine.yaml")
    return folder


def test_a_profile_of_the_site_is_installed_like_the_others(site: Path) -> None:
    docs = render({"config": {"mine": {"samples": 7}}}, folder=site)
    names = [doc["metadata"]["name"] for doc in of("WorkflowTemplate", docs)]
    assert "palimpsest-mine" in names and len(names) == 1 + len(
        of("WorkflowTemplate", objects("defaults"))
    )


def test_a_broken_file_is_named(site: Path) -> None:
    (site / "files/workflows/mine.yaml").write_text("a: [")
    with pytest.raises(HelmError, match="files/workflows/mine.yaml: error"):
        render({}, folder=site)
    (site / "files/workflows/mine.yaml").write_text("")
    with pytest.raises(HelmError, match="mine.yaml: no such file: run `palimpsest render`"):
        render({}, folder=site)


def test_braces_of_argo_survive(site: Path) -> None:
    path = site / "files/workflows/mine.yaml"
    path.write_text(path.read_text().replace("value: demo", "value: '{{ .Values.x }}'", 1))
    found = workflow("mine", render({}, folder=site))
    assert found["spec"]["arguments"]["parameters"][0]["value"] == "{{ .Values.x }}"


def test_the_chart_says_the_version_of_the_project() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (schema.ROOT / "pyproject.toml").read_text()
    assert f'version = "{about["appVersion"]}"' in project
    assert about["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    for node in nodes(objects("defaults")):
        assert main(node)["image"].endswith(f":{about['appVersion']}")
