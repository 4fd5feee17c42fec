"""The names of all metrics: by Prometheus' conventions, each once."""

import re

import pytest

from pipeline import metrics

UNITS = ("_seconds", "_bytes", "_ratio", "_samples", "_shards", "_info", "_total")


def test_every_metric_is_listed_once() -> None:
    declared = [one for one in vars(metrics).values() if isinstance(one, metrics.Metric)]
    assert len(declared) == len(metrics.ALL) > 40


@pytest.mark.parametrize("metric", metrics.ALL.values(), ids=lambda one: one.name)
def test_a_name_follows_the_conventions(metric: metrics.Metric) -> None:
    assert re.fullmatch(r"palimpsest(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".") and metric.help[0] in "01ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert len(set(metric.labels)) == len(metric.labels)
    assert not {"shard", "sample", "key", "prompt", "pod", "job", "instance"} & set(metric.labels)


def test_a_process_and_the_exporter_share_no_name() -> None:
    """Else a sum over both would count each sample twice."""
    homes = {name.split("_")[1] for name in metrics.ALL}
    assert homes == {"build", "stage", "gpu", "training", "run", "disk"}


def test_buckets_rise_and_span_a_stand_in_and_an_hour() -> None:
    assert list(metrics.SECONDS) == sorted(set(metrics.SECONDS))
    assert metrics.SECONDS[0] <= 0.001 and metrics.SECONDS[-1] == 3600
