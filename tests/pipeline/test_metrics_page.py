"""docs/metrics.md says what pipeline/metrics.py says, and its questions can be asked."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline import exporter, metrics, metrics_page
from pipeline.code import ROOT
from pipeline.errors import InputError
from pipeline.exporter_runs import Runs
from tests import servers
from tests.dashboards import promql
from tests.pipeline import exposition
from tests.training import report_run

QUESTIONS = re.findall(r"^(\S[^\n]*\?)\n\n```promql\n(.*?)```$", metrics_page.PAGE.read_text(),
                       re.M | re.S)  # fmt: skip
#: What Prometheus and the buckets of histograms add.
ADDED = {"instance", "job", "le"}
#: Sets every metric of processes once, and prints them as a pod would serve them.
POD = """
from prometheus_client import REGISTRY, generate_latest
from pipeline import live, metrics
for metric in metrics.ALL.values():
    if not metric.name.startswith(("palimpsest_run_", "palimpsest_disk_")):
        labels = [f"its-{label}" for label in metric.labels]
        series = getattr(live, metric.kind)(metric, *labels)
        getattr(series, {"counter": "inc", "gauge": "set", "histogram": "observe"}[metric.kind])(1)
print(generate_latest(REGISTRY).decode(), end="")
"""


def declared(name: str) -> metrics.Metric:
    """The metric that a series belongs to; KeyError if it is none of ours."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    if plain != name and metrics.ALL[plain].kind == "histogram":
        return metrics.ALL[plain]
    return metrics.ALL[name]


def test_the_tables_are_those_of_the_module() -> None:
    page = metrics_page.PAGE.read_text()
    assert metrics_page.written(page) == page, "run `python -m pipeline.metrics_page`"
    assert metrics_page.main(["--check"]) == 0
    for name, metric in metrics.ALL.items():
        assert page.count(f"| `{name}` | {metric.kind} |") == 1


def test_a_page_that_drifts_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "metrics.md"
    page.write_text(metrics_page.PAGE.read_text().replace("Shards committed.", "Shards."))
    monkeypatch.setattr(metrics_page, "PAGE", page)
    assert metrics_page.main(["--check"]) == 78
    assert "python -m pipeline.metrics_page" in capsys.readouterr().out
    assert metrics_page.main([]) == 0 and metrics_page.main(["--check"]) == 0
    page.write_text(page.read_text().replace("<!-- runs -->", ""))
    with pytest.raises(InputError, match="<!-- runs -->"):
        metrics_page.main([])


@pytest.mark.parametrize("question, expr", QUESTIONS, ids=[one for one, _ in QUESTIONS])
def test_a_question_asks_for_what_there_is(question: str, expr: str) -> None:
    selectors = promql.selectors(expr)
    assert selectors
    known = set(ADDED)
    for selector in selectors:
        labels = {*declared(selector.metric).labels, *ADDED}
        known |= labels
        assert {one.label for one in selector.matchers} <= labels
    assert promql.grouping(expr) <= known


def test_a_question_with_a_typo_would_be_found() -> None:
    with pytest.raises(KeyError):
        declared("palimpsest_stage_sampels_total")
    with pytest.raises(ValueError):
        promql.selectors("sum by (run (palimpsest_run_shards)")


@pytest.mark.timeout(180)
def test_a_real_prometheus_answers_them(tmp_path: Path) -> None:
    """All are understood; those of a folder alone, which no rate is taken of, have an answer."""
    run = report_run.build(tmp_path / "whole", report_run.Recipe(every=True))
    registry = CollectorRegistry()
    registry.register(Runs([run]))  # type: ignore[arg-type]
    server = exporter.serve(registry, port := servers.free_port(), "127.0.0.1", "--port")
    try:
        with servers.prometheus(tmp_path, {"exporter": port}) as prometheus:
            deadline = time.monotonic() + 60
            while not prometheus.query("palimpsest_run_info") and time.monotonic() < deadline:
                time.sleep(0.2)
            answers = {question: len(prometheus.query(expr)) for question, expr in QUESTIONS}
    finally:
        server.shutdown()
        server.server_close()
    assert len(QUESTIONS) == len(answers) > 12
    still = [question for question, expr in QUESTIONS
             if "[" not in expr and "_stage_" not in expr and "_gpu_" not in expr]  # fmt: skip
    assert len(still) == 9
    assert {question: answers[question] for question in still if not answers[question]} == {}


def test_what_a_pod_serves_is_clean() -> None:
    done = subprocess.run([sys.executable, "-c", POD], capture_output=True, text=True, cwd=ROOT,
                          check=True)  # fmt: skip
    found = exposition.Exposition(done.stdout)
    ours = {name for name in found.names() if name.startswith("palimpsest_")}
    mine = {name for name in metrics.ALL
            if not name.startswith(("palimpsest_run_", "palimpsest_disk_"))}  # fmt: skip
    assert {declared(name).name for name in ours} == mine
    assert not [name for name in ours if name.endswith("_created")]
    exposition.lint(found)
