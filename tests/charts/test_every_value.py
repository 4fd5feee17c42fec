"""No value is without effect: each is set once, and what it says stands in the right file."""

from functools import cache
from typing import Any

import pytest
import yaml
from helm_python.errors import HelmError

from pipeline import schema
from tests.charts.rendered import CHART, NAMESPACE, Doc, chart, of, render, started

TOLERATION = {"key": "k", "operator": "Exists"}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}
PEER = {"ipBlock": {"cidr": "10.1.2.3/32"}}
REACH = {"cidrs": ["10.9.0.0/16"], "ports": [8443]}
SUBJECT = {"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}
#: A value for each key; the template that speaks of it, "-" if then no more, "!" if the
#: installation is refused; and what it says.
EVERY: dict[str, tuple[Any, str, str]] = {
    "nameOverride": ("other", "pvc", "name: r7-other-data"),
    "fullnameOverride": ("whole", "rbac", "name: whole-executor"),
    "global": ({"imageRegistry": "g.example.org"}, "workflowtemplates", "image: g.example.org/"),
    "profiles": (["paper"], "-workflowtemplates", "r7-palimpsest-demo"),
    "images.registry": ("r.example.org:5000", "workflowtemplates", "r.example.org:5000/palimpsest"),
    "images.repository": ("team/x", "workflowtemplates", "image: team/x/editor:"),
    "images.tag": ("v9", "workflowtemplates", "image: palimpsest/editor:v9"),
    "images.digests": ({"editor": "sha256:" + "a" * 64}, "workflowtemplates", "editor@sha256:aaa"),
    "images.requireDigests": (True, "!", "has no digest"),
    "images.pullPolicy": ("Always", "workflowtemplates", "imagePullPolicy: Always"),
    "images.pullSecrets": (["creds"], "workflowtemplates", "imagePullSecrets:\n  - name: creds"),
    "storage.singleNode": (True, "workflowtemplates", "podAffinity"),
    "models.offline": (True, "-networkpolicy", "name: r7-palimpsest-fetch"),
    "models.endpoint": ("https://h.example.org", "workflowtemplates", "https://h.example.org"),
    "models.tokenSecret": ("hub", "workflowtemplates", "secretName: hub"),
    "models.env": ({"HTTPS_PROXY": "http://p"}, "workflowtemplates", "HTTPS_PROXY"),
    "pods.labels": ({"l": "one"}, "workflowtemplates", "l: one"),
    "pods.annotations": ({"a": "two"}, "workflowtemplates", "a: two"),
    "pods.nodeSelector": ({"node": "three"}, "workflowtemplates", "node: three"),
    "pods.tolerations": ([TOLERATION], "workflowtemplates", "key: k"),
    "pods.affinity": (AFFINITY, "workflowtemplates", "nodeAffinity"),
    "pods.priorityClassName": ("high", "workflowtemplates", "priorityClassName: high"),
    "pods.shmSize": ("77Gi", "workflowtemplates", "sizeLimit: 77Gi"),
    "pods.userId": (4242, "workflowtemplates", "runAsUser: 4242"),
    "gpu.resourceName": ("amd.com/gpu", "workflowtemplates", 'amd.com/gpu: "1"'),
    "gpu.nodeSelector": ({"g": "four"}, "workflowtemplates", "g: four"),
    "gpu.tolerations": ([TOLERATION], "workflowtemplates", "key: k"),
    "families": ({"flux": {"nodeSelector": {"f": "five"}}}, "workflowtemplates", "f: five"),
    "workflow.parameters": ({"photos": "/data/x"}, "workflowtemplates", "value: /data/x"),
    "workflow.parallelism": (77, "workflowtemplates", "\n  parallelism: 77"),
    "workflow.activeDeadlineSeconds": (7777, "workflowtemplates",
                                       "\n  activeDeadlineSeconds: 7777"),
    "workflow.podDeadlineSeconds": (7777, "workflowtemplates", "\n  - activeDeadlineSeconds: 7777"),
    "workflow.ttlSeconds": (7777, "workflowtemplates", "secondsAfterCompletion: 7777"),
    "config": ({"demo": {"samples": 7}}, "configs", "samples: 7\n"),
    "kueue.queueName": ("q", "workflowtemplates", "kueue.x-k8s.io/queue-name: q"),
    "kueue.priorityClassName": ("p", "workflowtemplates", "kueue.x-k8s.io/priority-class: p"),
    "serviceAccounts.create": (False, "!", "give the name of an account"),
    "serviceAccounts.workflow": ("w", "workflowtemplates", "serviceAccountName: w"),
    "serviceAccounts.executor": ("x", "serviceaccounts", "name: x.service-account-token"),
    "rbac.create": (False, "-rbac", "r7-palimpsest-executor"),
    "rbac.submitters": ([SUBJECT], "rbac", "name: ada"),
    "networkPolicy.enabled": (False, "-networkpolicy", "r7-palimpsest-deny"),
    "networkPolicy.dns": ([PEER], "networkpolicy", "cidr: 10.1.2.3/32"),
    "networkPolicy.apiServer.cidrs": (REACH["cidrs"], "networkpolicy", 'cidr: "10.9.0.0/16"'),
    "networkPolicy.apiServer.ports": (REACH["ports"], "networkpolicy", "port: 8443"),
    "networkPolicy.fetch.cidrs": (REACH["cidrs"], "networkpolicy", 'cidr: "10.9.0.0/16"'),
    "networkPolicy.fetch.ports": (REACH["ports"], "networkpolicy", "port: 8443"),
    "networkPolicy.metricsNamespace": ("watch", "networkpolicy", "metadata.name: watch"),
    "networkPolicy.extraEgress": ([{"to": [PEER]}], "networkpolicy", "cidr: 10.1.2.3/32"),
    "metrics.operator": (True, "podmonitor", "kind: PodMonitor"),
    "metrics.podMonitor.enabled": (False, "-podmonitor", "kind: PodMonitor"),
    "metrics.podMonitor.interval": ("20s", "podmonitor", "interval: 20s"),
    "metrics.podMonitor.labels": ({"release": "seven"}, "podmonitor", "release: seven"),
    "metrics.rules.enabled": (False, "-prometheusrule", "kind: PrometheusRule"),
    "metrics.rules.labels": ({"release": "eight"}, "prometheusrule", "release: eight"),
    "metrics.dashboards.enabled": (False, "-dashboards", "kind: ConfigMap"),
    "metrics.dashboards.labels": ({"board": "nine"}, "dashboards", "board: nine"),
    "metrics.dashboards.annotations": ({"folder": "ten"}, "dashboards", "folder: ten"),
    "metrics.scrapeAnnotations": (True, "workflowtemplates", "prometheus.io/port"),
    "metrics.exporter.enabled": (False, "-exporter", "kind: Deployment"),
    "metrics.exporter.resources": ({"limits": {"memory": "77Gi"}}, "exporter", "memory: 77Gi"),
    "doctor.gpu": (True, "tests/doctor", "--gpu"),
} | {
    f"storage.{claim}.{key}": (value, "pvc", needle)
    for claim in ("data", "models")
    for key, value, needle in (
        ("storageClassName", "fast", 'storageClassName: "fast"'),
        ("accessModes", ["ReadOnlyMany", "ReadWriteMany"], "- ReadOnlyMany"),
        ("size", "77Gi", "storage: 77Gi"),
        ("annotations", {"a": "six"}, "a: six"),
    )
} | {
    f"storage.{claim}.existingClaim": ("mine", "workflowtemplates", "claimName: mine")
    for claim in ("data", "models")
}  # fmt: skip


#: Of these nothing is made where there is no operator.
WITH_OPERATOR = ("metrics.podMonitor", "metrics.rules")


def keys() -> list[str]:
    entries = schema.entries((CHART / "values.yaml").read_text())
    return [".".join(entry.path) for entry in entries if not entry.section]


def nested(key: str, value: Any) -> Doc:
    for part in reversed(key.split(".")):
        value = {part: value}
    found: Doc = value
    return found


def test_every_key_is_tried() -> None:
    assert sorted(EVERY) == sorted(keys())


def said(given: Doc) -> dict[str, str]:
    found = chart().render(given, name="r7", namespace=NAMESPACE)
    return {path.removeprefix("palimpsest/templates/"): text for path, text in found.items()}


@cache
def before(operator: bool) -> dict[str, str]:
    return said({"metrics": {"operator": operator}})


@pytest.mark.parametrize("key", sorted(EVERY))
def test_a_value_has_its_effect(key: str) -> None:
    value, place, needle = EVERY[key]
    given = nested(key, value)
    operator = key.startswith(WITH_OPERATOR)
    if operator:
        given["metrics"]["operator"] = True
    if place == "!":
        with pytest.raises(HelmError, match=needle):
            said(given)
        return
    file = f"{place.removeprefix('-')}.yaml"
    after = said(given)
    absent = place.startswith("-")
    seen = needle in before(operator).get(file, "")
    assert (seen, needle in after.get(file, "")) == (absent, not absent)


@pytest.mark.parametrize(
    "key", ["pods.labels", "pods.annotations", "pods.nodeSelector", "pods.tolerations",
            "pods.affinity", "pods.priorityClassName", "images.pullSecrets", "images.pullPolicy"]
)  # fmt: skip
def test_what_is_for_every_pod_is_in_every_pod(key: str) -> None:
    value, _, needle = EVERY[key]
    for pod in started(render(nested(key, value) | {"profiles": ["paper"]}, name="r7")):
        assert needle.split(":\n")[0] in yaml.dump(pod, Dumper=yaml.CSafeDumper)


def test_network_policies_select_what_they_say() -> None:
    docs = render({}, name="r7")
    policies = {doc["metadata"]["name"]: doc["spec"] for doc in of("NetworkPolicy", docs)}
    deny = policies["r7-palimpsest-deny"]
    assert deny["policyTypes"] == ["Ingress", "Egress"] and "ingress" not in deny
    executor = policies["r7-palimpsest-executor"]["podSelector"]
    for pod in started(docs):
        labels = pod["metadata"]["labels"]
        assert deny["podSelector"]["matchLabels"].items() <= labels.items()
        argo = "workflows.argoproj.io/workflow" in labels and (
            labels.get("palimpsest.io/role") != "ddp"
        )
        own = labels.get("palimpsest.io/role") == "ddp" or (
            labels["app.kubernetes.io/component"] in ("doctor", "exporter")
        )
        assert argo != (own and "fetch" not in pod["metadata"]["name"])
    assert executor["matchExpressions"] == [
        {"key": "workflows.argoproj.io/workflow", "operator": "Exists"},
        {"key": "palimpsest.io/role", "operator": "NotIn", "values": ["ddp"]},
    ]


def test_long_names_stay_names() -> None:
    for doc in render({}, name="a" * 53):
        assert len(doc["metadata"]["name"]) <= 63 + len(".service-account-token")
        assert not doc["metadata"]["name"].startswith("a" * 41)
