"""What is served as metrics, as values that a test can ask for."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections import Counter
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.audit import Audit
from pipeline.exporter_runs import Runs
from pipeline.metrics import Metric
from tests import servers

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Exposition:
    """One answer to a scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.series = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def by(self, metric: Metric, *labels: str, **only: str) -> dict[tuple[str, ...], float]:
        """The sums of a metric's series by the values of `labels`, of those that match `only`."""
        found: Counter[tuple[str, ...]] = Counter()
        for name, have, value in self.series:
            if name == metric.name and only.items() <= have.items():
                assert set(have) == set(metric.labels)
                found[tuple(have[label] for label in labels)] += value  # type: ignore[assignment]
        return dict(found)

    def one(self, metric: Metric, **only: str) -> float:
        """The sum of the series that match; KeyError if there is none."""
        return self.by(metric, **only)[()]

    def names(self) -> set[str]:
        return {name for name, _, _ in self.series}


def of(*places: Path, runs: Runs | None = None) -> Exposition:
    """What the exporter would serve of run folders."""
    registry = CollectorRegistry()
    registry.register(runs or Runs(places))  # type: ignore[arg-type]
    return Exposition(generate_latest(registry).decode())


def scrape(port: int) -> Exposition:
    with _DIRECT.open(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return Exposition(answer.read().decode())


def lint(found: Exposition) -> None:
    """Let promtool judge it."""
    servers.need("promtool")
    done = subprocess.run([str(shutil.which("promtool")), "check", "metrics"], input=found.text,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def counted(found: Audit) -> dict[tuple[str, str], int]:
    """The audit's samples by stage and outcome, as the exporter has them."""
    counts = {(name, "ok"): row.out for name, row in found.stages.items()}
    reasons = {(name, reason): number for name, row in found.stages.items()
               for reason, number in row.reasons.items()}  # fmt: skip
    return counts | reasons
