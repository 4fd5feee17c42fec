"""What watches a release: who is scraped, how long pods wait for it, and that alerts and dashboards
arrive as their files have them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.prometheus_operator import v1
from helm_python.errors import HelmError
from pydantic import ValidationError

from pipeline import config, live, metrics
from tests.charts.rendered import CHART, NAMESPACE, Doc, nodes, notes, objects, of, render, started

#: One profile, for speed; where several matter they are named.
FEW: Doc = {"profiles": ["one-family"]}
OPERATOR: Doc = FEW | {"metrics": {"operator": True}}
TARGET = {"job", "instance", "pod", "namespace", "container", "endpoint", "node", "prometheus"}
PAIR = ["demo", "one-family"]
RULE = """groups:
  - name: mine
    rules:
      - alert: Mine
        expr: |
          palimpsest_stage_running{run=~".+"} > 1e-3
            and on (run) up == 1
        for: 5m
        annotations: {summary: 'run {{ $labels.run }} <b> is {{ printf "%.1f" $value }}'}
"""
BOARD = '{"uid": "palimpsest-mine", "title": "{{run}} <&>",\n "panels": [1e-7, 60000000]}\n'


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """The chart with one alert and one dashboard, and no others."""
    folder = tmp_path / "palimpsest"
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("alerts", "dashboards"))
    for name, text in (("alerts/Mine.yaml", RULE), ("dashboards/mine.json", BOARD)):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    return folder


def monitor(given: Doc) -> Doc:
    (found,) = of("PodMonitor", render(given))
    return found


def test_nothing_of_the_operators_is_made_where_it_is_not() -> None:
    for given in ({}, {"metrics": {"operator": False}}):
        docs = render(FEW | given)
        assert not of("PodMonitor", docs) and not of("PrometheusRule", docs)
    off = {"operator": True, "podMonitor": {"enabled": False}, "rules": {"enabled": False}}
    docs = render(FEW | {"metrics": off})
    assert not of("PodMonitor", docs) and not of("PrometheusRule", docs)


def test_the_operator_takes_the_monitor_and_no_misspelt_field() -> None:
    for found in (monitor(OPERATOR), *of("PodMonitor", objects("monitoring"))):
        v1.PodMonitor.model_validate(found, extra="forbid", by_alias=True, by_name=False)
        endpoint = found["spec"]["podMetricsEndpoints"][0]
        endpoint["intervall"] = endpoint.pop("interval")
        with pytest.raises(ValidationError, match=r"spec.podMetricsEndpoints.0.intervall\n"):
            v1.PodMonitor.model_validate(found, extra="forbid")
    assert monitor(OPERATOR)["metadata"]["labels"]["app.kubernetes.io/part-of"] == "palimpsest"
    assert of("PodMonitor", objects("monitoring"))[0]["metadata"]["labels"]["release"]


@pytest.mark.parametrize("given", [OPERATOR, OPERATOR | {"pods": {"labels": {"a": "b"}}}])
def test_the_monitor_selects_all_pods_with_metrics_and_only_their_port(given: Doc) -> None:
    spec = monitor(given)["spec"]
    wanted = spec["selector"]["matchLabels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    scraped, others = set(), set()
    for pod in started(render(given | {"profiles": ["demo"]})):
        labels = pod["metadata"]["labels"]
        assert wanted <= labels.items()
        ports = pod["spec"]["containers"][0].get("ports", [])
        served = {"name": endpoint["port"], "containerPort": 9090} in ports
        (scraped if served else others).add(labels["app.kubernetes.io/component"])
    assert scraped >= {"edit", "plan", "train", "evaluate", "exporter"}
    assert others == {"begin", "fetch", "publish", "audit", "summary", "doctor"}
    assert "honorLabels" not in endpoint and "podTargetLabels" not in spec


def test_an_image_serves_on_the_port_that_its_pods_have() -> None:
    for node in nodes(render({"profiles": ["demo"]})):
        spec = node.manifest["spec"]
        (main,) = (spec if node.kind == "Pod" else spec["template"]["spec"])["containers"]
        image = main["image"].split("/")[1].split(":")[0]
        text = (CHART.parents[1] / "images" / image / "Dockerfile").read_text()
        for port in main.get("ports", ()):
            assert f" {live.PORT}={port['containerPort']}\n" in text, image


def test_no_label_of_ours_is_one_that_prometheus_gives_a_target() -> None:
    ours = {label for one in metrics.ALL.values() for label in one.labels}
    assert {"run", "stage", "family", "partition"} <= ours
    assert not ours & TARGET


def lingers(given: Doc) -> dict[str, float]:
    maps = of("ConfigMap", render(given))
    texts = {doc["metadata"]["name"]: doc["data"]["config.yaml"] for doc in maps
             if "config.yaml" in doc["data"]}  # fmt: skip
    return {name.removeprefix("palimpsest-config-"): config.parse(text, name).metrics.linger_seconds
            for name, text in texts.items()}  # fmt: skip


def test_pods_stay_for_one_interval_of_the_scraper() -> None:
    def given(interval: str, **of_demo: Any) -> Doc:
        return {"metrics": {"operator": True, "podMonitor": {"interval": interval}},
                "profiles": PAIR, "config": {"demo": of_demo}}  # fmt: skip

    assert set(lingers({"profiles": PAIR}).values()) == {15.0}
    assert set(lingers(given("5s")).values()) == {15.0}
    assert set(lingers(given("2m", samples=7)).values()) == {120.0}
    longer = lingers(given("2m", metrics={"linger_seconds": 200}))
    assert longer == {"demo": 200.0, "one-family": 120.0}
    none = lingers(given("300s", metrics={"linger_seconds": 0}))
    assert none == {"demo": 0.0, "one-family": 300.0}
    unmonitored = {"metrics": {"podMonitor": {"interval": "5m"}}, "profiles": PAIR,
                   "config": {"demo": {"metrics": {"linger_seconds": 1}}}}  # fmt: skip
    assert lingers(unmonitored) == {"demo": 1.0, "one-family": 15.0}


def test_what_a_site_sets_beside_it_stays() -> None:
    given = {"metrics": {"operator": True, "podMonitor": {"interval": "1m"}}, "profiles": ["demo"],
             "config": {"demo": {"samples": 60000000, "prices": {"gpu_hour": 2.5}}}}  # fmt: skip
    (text,) = (doc["data"]["config.yaml"] for doc in of("ConfigMap", render(given))
               if doc["metadata"]["name"] == "palimpsest-config-demo")  # fmt: skip
    found = config.parse(text, "demo")
    assert (found.samples, found.prices.gpu_hour, found.metrics.linger_seconds) == (
        60000000, 2.5, 60.0)  # fmt: skip
    assert list(found.families) == list(config.load("demo").families)


def test_rules_and_dashboards_are_their_files(chart: Path) -> None:
    docs = render(OPERATOR, folder=chart)
    (rule,) = of("PrometheusRule", docs)
    assert rule["spec"] == yaml.safe_load(RULE)
    v1.PrometheusRule.model_validate(rule, extra="forbid", by_alias=True, by_name=False)
    (board,) = (doc for doc in of("ConfigMap", docs) if "config.yaml" not in doc["data"])
    assert board["data"] == {"palimpsest-mine.json": BOARD}
    assert board["metadata"]["name"] == "palimpsest-dashboard-mine"
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "Palimpsest"}
    rule["spec"]["groups"][0]["rules"][0]["exprr"] = "up"
    with pytest.raises(ValidationError, match=r"spec.groups.0.rules.0.exprr\n"):
        v1.PrometheusRule.model_validate(rule, extra="forbid")


def test_a_chart_with_none_of_them_is_installed_too(chart: Path) -> None:
    for name in ("alerts/Mine.yaml", "dashboards/mine.json"):
        (chart / name).unlink()
    docs = render(OPERATOR, folder=chart)
    assert of("PodMonitor", docs) and not of("PrometheusRule", docs)
    assert all("config.yaml" in doc["data"] for doc in of("ConfigMap", docs))


def test_a_file_that_is_no_rules_is_named(chart: Path) -> None:
    for text, said in (("a: [", "alerts/Mine.yaml: error"), ("rules: []", "it has no groups")):
        (chart / "alerts/Mine.yaml").write_text(text)
        with pytest.raises(HelmError, match=said):
            render(OPERATOR, folder=chart)


def test_all_shipped_alerts_are_in_one_object_that_prometheus_takes(tmp_path: Path) -> None:
    files = sorted((CHART / "alerts").glob("*.yaml"))
    rules = of("PrometheusRule", objects("monitoring"))
    wanted = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert [group for one in rules for group in one["spec"]["groups"]] == wanted
    assert {rule["alert"] for group in wanted for rule in group["rules"]} == {
        path.stem for path in files
    }
    promtool = shutil.which("promtool")
    for one in rules:
        v1.PrometheusRule.model_validate(one, extra="forbid", by_alias=True, by_name=False)
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(one["spec"]))
        if promtool is None:
            pytest.skip("no promtool: install Debian's package prometheus")
        done = subprocess.run([promtool, "check", "rules", "--lint=all", "--lint-fatal",
                               tmp_path / "rules.yaml"], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_shipped_dashboards_arrive_to_the_byte() -> None:
    wanted = {f"palimpsest-{path.name}": path.read_text()
              for path in (CHART / "dashboards").glob("*.json")}  # fmt: skip
    found = {name: text for doc in of("ConfigMap", objects("defaults"))
             for name, text in doc["data"].items() if name != "config.yaml"}  # fmt: skip
    assert found == wanted
    for text in found.values():
        assert len(json.dumps(text)) < 256 * 1024  # what `kubectl apply` notes beside an object


def test_annotations_are_for_pods_that_serve() -> None:
    given = {"metrics": {"scrapeAnnotations": True}, "pods": {"annotations": {"a": "b"}},
             "profiles": ["demo"]}  # fmt: skip
    seen: dict[bool, int] = {True: 0, False: 0}
    for pod in started(render(given)):
        found = pod["metadata"]["annotations"]
        serves = "ports" in pod["spec"]["containers"][0]
        seen[serves] += 1
        assert (found.get("prometheus.io/scrape") == "true") is serves
        assert found["a"] == "b"
        if serves:
            assert found["prometheus.io/port"] == "9090"
            assert found["prometheus.io/path"] == "/metrics"
    assert min(seen.values()) > 10
    for node in nodes(objects("defaults")):
        assert "prometheus" not in json.dumps(node.manifest["metadata"])


def test_the_exporter_reads_the_claim_and_waits_in_no_queue() -> None:
    given = {**FEW, "kueue": {"queueName": "gpu", "priorityClassName": "research"},
             "storage": {"singleNode": True, "data": {"existingClaim": "runs"}},
             "pods": {"nodeSelector": {"a": "b"}, "priorityClassName": "high",
                      "labels": {"team": "t"}},
             "metrics": {"exporter": {"resources": {"limits": {"cpu": 2}}}}}  # fmt: skip
    (found,) = of("Deployment", render(given))
    assert "kueue" not in json.dumps(found)
    spec, template = found["spec"], found["spec"]["template"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["labels"]["team"] == "t"
    pod = template["spec"]
    assert pod["nodeSelector"] == {"a": "b"} and pod["priorityClassName"] == "high"
    assert pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "runs"
    (main,) = pod["containers"]
    mounts = {one["name"]: one.get("readOnly", False) for one in main["volumeMounts"]}
    assert mounts == {"data": True, "tmp": False}
    assert main["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"},
                                 "limits": {"cpu": "2", "memory": "1Gi"}}  # fmt: skip
    for probe in ("readinessProbe", "livenessProbe"):
        (how,) = (one for key, one in main[probe].items() if key in ("httpGet", "tcpSocket"))
        assert how["port"] == main["ports"][0]["name"]


def test_the_exporters_command_is_one_that_there_is() -> None:
    from pipeline import cli

    (found,) = of("Deployment", render(FEW))
    main = found["spec"]["template"]["spec"]["containers"][0]
    assert main["command"] == ["python", "-m", "pipeline.cli"]
    given = cli.parser().parse_args(main["args"])
    assert (given.command, given.address) == ("exporter", "0.0.0.0")
    assert given.runs == [Path("/data/runs")]
    assert given.port == main["ports"][0]["containerPort"] == 9090


def test_the_network_lets_the_scraper_in_and_the_exporter_only_to_names() -> None:
    docs = render(FEW)
    labels = next(pod["metadata"]["labels"] for pod in started(docs)
                  if pod["metadata"]["name"].endswith("exporter"))  # fmt: skip
    ours = [one["spec"] for one in of("NetworkPolicy", docs) if selects(one, labels)]
    ports = [port["port"] for one in ours for rule in one.get("ingress", ())
             for port in rule["ports"]]  # fmt: skip
    ways = [port["port"] for one in ours for rule in one.get("egress", ())
            for port in rule["ports"]]  # fmt: skip
    assert ports == [9090] and set(ways) == {53}


def selects(policy: Doc, labels: Doc) -> bool:
    chosen = policy["spec"]["podSelector"]
    assert set(chosen) <= {"matchLabels", "matchExpressions"}
    return chosen["matchLabels"].items() <= labels.items() and all(
        (one["key"] in labels) if one["operator"] == "Exists"
        else labels.get(one["key"]) not in one["values"]
        for one in chosen.get("matchExpressions", ())
    )  # fmt: skip


def test_the_notes_say_what_was_made() -> None:
    assert "has no Prometheus operator" in notes(FEW)
    text = notes(OPERATOR)
    assert f"kubectl get podmonitors,prometheusrules -n {NAMESPACE}" in text
    assert "has no Prometheus operator" not in text
    one = {**FEW, "storage": {"singleNode": True}}
    assert "decides which" in notes(one)
    assert "decides which" not in notes(one | {"pods": {"nodeSelector": {"a": "b"}}})
