"""Every alert fires when it should and at no other time, and says so with labels that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from pipeline import config, documents, metrics
from pipeline.dag import dag
from tests import servers
from tests.alerts import labels

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "charts" / "palimpsest" / "alerts"
TESTS = Path(__file__).parent
FILES = sorted(ALERTS.glob("*.yaml"))
NAMES = [path.stem for path in FILES]

#: A wrong rule by a single change, of which the alert's test must tell.
PLANTED = [
    ("StageStalled", "> 1800", "> 1700"),
    ("StageStalled", "> 1800", "> 1900"),
    ("StageStalled", "<= 10", "<= 9"),
    ("StageStalled", 'sum{phase="transform"}', "sum"),
    ("StageStalled", 'count{phase="transform"}', "count"),
    ("StageStalled", "palimpsest_stage_running) == 1", "palimpsest_stage_running) >= 0"),
    ("StageStalled", "for: 5m", "for: 6m"),
    ("RejectRateHigh", "0.2 *", "0.19 *"),
    ("RejectRateHigh", "0.2 *", "0.22 *"),
    ("RejectRateHigh", "0.8 *", "0.79 *"),
    ("RejectRateHigh", "0.8 *", "0.82 *"),
    ("RejectRateHigh", ">= 20", ">= 19"),
    ("RejectRateHigh", "- palimpsest_stage_samples_total offset 1h >= 0", ">= 0"),
    ("FamilySlow", "> 3\n", "> 2.9\n"),
    ("FamilySlow", "> 3\n", "> 3.6\n"),
    ("FamilySlow", ">= 20", ">= 19"),
    ("FamilySlow", " group_left", ""),
    ("DiskNearlyFull", "< 0.1", "<= 0.1"),
    ("DiskNearlyFull", "4 * 3600", "12 * 3600"),
    ("DiskNearlyFull", "4 * 3600", "1 * 3600"),
    ("DiskNearlyFull", "offset 30m", "offset 1m"),
    ("CommitDivergence", "or last_over_time(palimpsest_stage_commit_divergences_total[1h])", ""),
    ("CommitDivergence", "or max by (namespace, run, stage, family) "
     "(palimpsest_run_divergences_total)\n", "\n"),
    ("CommitDivergence", "offset 1h)", "offset 1m)"),
    ("NanLatents", "> 0.01", ">= 0.01"),
    ("NanLatents", "> 0.01", "> 0.02"),
    ("NanLatents", ">= 3", ">= 2"),
    ("GpuIdle", "< 0.2", "< 0.26"),
    ("GpuIdle", "< 0.2", "< 0.15"),
    ("GpuIdle", "running offset 15m", "running"),
    ("GpuIdle", "palimpsest_stage_running) == 1", "palimpsest_stage_running) >= 0"),
    ("LossNotFinite", "[1h]", "[5m]"),
    ("LossNotFinite", "> 0", "> 1"),
    ("PodsRestarting", "> 3", "> 2"),
    ("PodsRestarting", "> 3", "> 4"),
    ("PodsRestarting", "- palimpsest_stage_starts_total offset 1h >= 0", ">= 0"),
]  # fmt: skip


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rule(name: str) -> dict[str, Any]:
    (group,) = read(ALERTS / f"{name}.yaml")["groups"]
    (found,) = group["rules"]
    assert group["name"] == found["alert"] == name
    return dict(found)


def promtool(*arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    servers.need("promtool")
    return subprocess.run(
        ["promtool", *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_the_alerts_are_these() -> None:
    assert [name.removeprefix("Palimpsest") for name in NAMES] == sorted(
        ["StageStalled", "RejectRateHigh", "FamilySlow", "DiskNearlyFull", "CommitDivergence",
         "NanLatents", "GpuIdle", "LossNotFinite", "PodsRestarting"]
    )  # fmt: skip


def test_prometheus_takes_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS: 1 rules found") == len(FILES)


@pytest.mark.parametrize("name", NAMES)
def test_it_fires_when_it_should_and_at_no_other_time(name: str) -> None:
    cases = read(TESTS / f"{name}.yaml")["tests"]
    expected = [one["exp_alerts"] for case in cases for one in case["alert_rule_test"]]
    assert any(expected) and not all(expected)  # looked at firing, and silent
    done = promtool("test", "rules", TESTS / f"{name}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name, right, wrong", PLANTED)
def test_a_wrong_rule_is_noticed(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    name = f"Palimpsest{name}"
    text = (ALERTS / f"{name}.yaml").read_text()
    assert right in text
    (tmp_path / "rule.yaml").write_text(text.replace(right, wrong))
    tests = read(TESTS / f"{name}.yaml") | {"rule_files": ["rule.yaml"]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(tests))
    done = promtool("test", "rules", "test.yaml", folder=tmp_path)
    assert done.returncode == 1
    assert re.search(rf"FAILED:(\n.*)+(alertname|rule): {name}", done.stdout + done.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_it_speaks_of_labels_that_are_there(name: str) -> None:
    found = rule(name)
    assert found["labels"].keys() == {"severity"}
    assert found["labels"]["severity"] in ("warning", "critical")
    notes = found["annotations"]
    assert notes.keys() == {"summary", "description", "runbook"}
    assert notes["runbook"] == f"docs/runbooks/{name}.md"
    spoken = set(re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"]))
    assert spoken and spoken <= labels.of(found["expr"]) - labels.ADDED
    assert "$value" in notes["description"] or name == "PalimpsestLossNotFinite"


@pytest.mark.parametrize("name", NAMES)
def test_it_selects_values_that_there_are(name: str) -> None:
    stages = {stage.name for stage in dag(config.load("paper"))}
    outcomes = {"ok", *get_args(documents.FilterReason), *get_args(documents.QuarantineReason)}
    for metric, label, value in labels.selected(rule(name)["expr"]):
        phases = re.findall(r"\w+", metrics.PHASE_SECONDS.help)
        known = {"stage": stages, "outcome": outcomes, "phase": phases, "family": [""]}
        assert value in known[label], (metric, label, value)


@pytest.mark.parametrize("expr, said", [
    ("palimpsest_stage_runing", "palimpsest_stage_runing is no metric"),
    ("palimpsest_stage_phase_seconds", "palimpsest_stage_phase_seconds is no metric"),
    ('palimpsest_stage_running{outcome="ok"}', "no label outcome"),
    ("sum by (run, sage) (palimpsest_stage_running)", "no label sage"),
    ("sum by (run) (palimpsest_stage_running) and sum by (stage) (palimpsest_stage_shards)",
     "only ['run', 'stage'] on one side"),
    ("palimpsest_run_shards and on (gpu) palimpsest_gpu_utilization_ratio", "no label gpu"),
])  # fmt: skip
def test_a_misspelt_name_is_noticed(expr: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        labels.of(expr)
