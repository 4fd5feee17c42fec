"""Faults in monitors, rules and dashboards, which a cluster drops without a word."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import lint, lint_monitoring
from pipeline.argo_yaml import as_yaml
from pipeline.errors import OK
from pipeline.lint_tree import find, walk
from tests.lint.planted import linted

Doc = dict[str, Any]
OURS = {"name": "mine", "labels": {"app.kubernetes.io/part-of": "palimpsest"}}
API = "monitoring.coreos.com/v1"
MONITOR: Doc = {
    "apiVersion": API, "kind": "PodMonitor", "metadata": OURS,
    "spec": {"selector": {"matchLabels": {"a": "b"}},
             "podMetricsEndpoints": [{"port": "metrics", "interval": "15s"}]},
}  # fmt: skip
RATE = "histogram_quantile(0.9, sum by (le) (rate(palimpsest_stage_sample_seconds_bucket[5m])))"
RULES: Doc = {
    "apiVersion": API, "kind": "PrometheusRule", "metadata": OURS,
    "spec": {"groups": [
        {"name": "a", "rules": [{"record": "palimpsest_p90", "expr": RATE}]},
        {"name": "b", "rules": [
            {"alert": "Slow", "for": "5m", "labels": {"severity": "warning"},
             "expr": 'palimpsest_p90{run!~"palimpsest_x"} > 3',
             "annotations": {"summary": "{{ $labels.run }}"}},
        ]},
    ]},
}  # fmt: skip
BOARD: Doc = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": OURS,
              "data": {"config.yaml": "a: [", "board.json": '{"uid": "x"}'}}  # fmt: skip


def alert(doc: Doc) -> Doc:
    found: Doc = doc["spec"]["groups"][1]["rules"][0]
    return found


def endpoint(doc: Doc) -> Doc:
    found: Doc = doc["spec"]["podMetricsEndpoints"][0]
    return found


def faults(doc: Doc, plant: Callable[[Doc], object], folder: Path) -> list[str]:
    spoilt = copy.deepcopy(doc)
    plant(spoilt)
    (folder / "x.yaml").write_text(as_yaml(spoilt))
    return linted(folder / "x.yaml")


@pytest.mark.parametrize("doc", [MONITOR, RULES, BOARD], ids=lambda doc: doc["kind"])
def test_nothing_is_found_where_nothing_is_planted(doc: Doc, tmp_path: Path) -> None:
    assert faults(doc, lambda _: None, tmp_path) == []


@pytest.mark.parametrize(("doc", "plant", "said"), [
    (MONITOR, lambda doc: endpoint(doc).update(intervall="1s"),
     "spec.podMetricsEndpoints.0.intervall: no such field; did you mean 'interval'?"),
    (MONITOR, lambda doc: endpoint(doc).update(interval="often"),
     "spec.podMetricsEndpoints.0.interval: string should match pattern"),
    (MONITOR, lambda doc: endpoint(doc).pop("port"),
     "spec.podMetricsEndpoints.0: it has no port: name the one to scrape"),
    (MONITOR, lambda doc: doc["spec"].pop("podMetricsEndpoints"),
     "spec.podMetricsEndpoints is empty: say which port to scrape"),
    (MONITOR, lambda doc: doc["spec"].pop("selector"), "spec.selector: it is missing: give it"),
    (MONITOR, lambda doc: doc.update(metadata={}), "metadata.name is missing: give one"),
    (RULES, lambda doc: alert(doc).update(exprr="up"),
     "spec.groups.1.rules.0.exprr: no such field; did you mean 'expr'?"),
    (RULES, lambda doc: alert(doc).update({"for": "soon"}),
     "spec.groups.1.rules.0.for: string should match pattern"),
    (RULES, lambda doc: alert(doc).update(expr="sum(up"), "Slow: expr: no PromQL: "),
    (RULES, lambda doc: alert(doc).update(expr=" "), "Slow: expr: it is empty"),
    (RULES, lambda doc: alert(doc).update(record="x"), "Slow: a rule has either alert or record"),
    (RULES, lambda doc: alert(doc).update(expr="palimpsest_stage_runing == 1"),
     "Slow: expr: palimpsest_stage_runing is no metric: pipeline/metrics.py has them all"),
    (RULES, lambda doc: doc["spec"]["groups"][1].update(name="a"),
     "spec.groups: the name 'a' is there twice: rename one"),
    (BOARD, lambda doc: doc["data"].update({"board.json": "{"}),
     "data.board.json: not valid JSON: "),
])  # fmt: skip
def test_a_planted_fault_is_found(
    doc: Doc, plant: Callable[[Doc], object], said: str, tmp_path: Path
) -> None:
    found = faults(doc, plant, tmp_path)
    assert len(found) == 1 and found[0].startswith(said)


def test_any_value_anywhere_is_at_most_a_fault(tmp_path: Path) -> None:
    """Never a traceback."""
    seen = 0
    for doc in (MONITOR, RULES, BOARD):
        for path, _ in walk(doc):
            for other in (None, 3, [], {}, [None], {1: 2}, "{{="):
                if not path or path[0] in ("apiVersion", "kind"):
                    continue
                spoilt = copy.deepcopy(doc)
                find(spoilt, path[:-1])[path[-1]] = other
                (tmp_path / "x.yaml").write_text(yaml.safe_dump(spoilt))
                seen += bool(linted(tmp_path / "x.yaml"))
    assert seen > 200


def test_what_others_count_is_theirs(tmp_path: Path) -> None:
    foreign = yaml.safe_load(as_yaml(RULES))
    foreign["metadata"] = {"name": "theirs"}
    alert(foreign)["expr"] = "palimpsest_of_someone_else > 1"
    assert faults(foreign, lambda _: None, tmp_path) == []


def test_they_are_counted_and_a_lack_of_models_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text(as_yaml(MONITOR, RULES))
    assert lint.main_lint([tmp_path]) == OK
    assert (
        capsys.readouterr().out
        == "lint: no fault in 1 file: 2 objects, and 0 pods that come of them\n"
    )
    monkeypatch.setattr(lint_monitoring, "models", lambda: False)
    assert lint.main_lint([tmp_path]) == OK
    assert "install cloudcoil-models-prometheus-operator" in capsys.readouterr().out
