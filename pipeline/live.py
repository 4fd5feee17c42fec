"""The metrics of this process: made when first asked for, served if a port was given.

    PALIMPSEST_METRICS_PORT=9090   in pods: this process serves /metrics itself (images/*)
    PROMETHEUS_MULTIPROC_DIR=DIR   on one machine: it writes to files, `palimpsest run` serves them
    neither                        it counts, and nobody reads

A pod is gone a moment after its work, and with it all that no scrape has seen. So the endpoint
stays until the next scrape or `metrics.linger_seconds`, whichever is first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline import events
from pipeline.metrics import SECONDS, Metric

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram
    from prometheus_client.metrics_core import Metric as Family

PORT = "PALIMPSEST_METRICS_PORT"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_endpoint: Endpoint | None = None


@cache
def _made(metric: Metric) -> Any:
    import prometheus_client as prometheus

    # They are half of all series, and nobody reads them.
    prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
    if metric.kind == "counter":
        return prometheus.Counter(metric.name, metric.help, metric.labels)
    if metric.kind == "histogram":
        return prometheus.Histogram(metric.name, metric.help, metric.labels, buckets=SECONDS)
    mode: Any = "livemostrecent" if metric.lives else "mostrecent"
    return prometheus.Gauge(metric.name, metric.help, metric.labels, multiprocess_mode=mode)


def write_to(folder: str) -> None:
    """In a new process, before it has a metric: write them into `folder`, or nowhere (""). Of the
    environment the library takes notice when it is imported, which in a forked process is past."""
    from prometheus_client import values

    os.environ.pop(FOLDER, None)
    if folder:
        os.environ[FOLDER] = folder
    shared = values.MultiProcessValue  # files in FOLDER
    values.ValueClass = shared() if folder else values.MutexValue  # type: ignore[no-untyped-call]


def counter(metric: Metric, *labels: str) -> Counter:
    """The series of a counter with these values of its labels."""
    found: Counter = _made(metric).labels(*labels)
    return found


def gauge(metric: Metric, *labels: str) -> Gauge:
    found: Gauge = _made(metric).labels(*labels)
    return found


def histogram(metric: Metric, *labels: str) -> Histogram:
    found: Histogram = _made(metric).labels(*labels)
    return found


class Endpoint:
    """/metrics of this process, on all addresses. Where the port is taken it serves nothing: work
    is not lost for want of a figure."""

    def __init__(self, port: int, linger: float) -> None:
        import prometheus_client as prometheus

        self.linger, self._worth, self._scraped = linger, False, threading.Event()
        try:
            self._server, _ = prometheus.start_http_server(port)
        except OSError as error:
            events.say("metrics-unserved", "metrics are not served on port {port}: {error}",
                       level="warning", port=port, error=str(error))  # fmt: skip
            return
        self._worth = True
        prometheus.REGISTRY.register(self)  # last: what is collected before it is in the answer

    def describe(self) -> Iterable[Family]:
        return ()

    def collect(self) -> Iterator[Family]:
        """Part of each answer: it has no metric, and notes that someone asked."""
        self._scraped.set()
        return iter(())

    def close(self) -> None:
        """Stay until the last figures have been read, or for as long as one scrape may take."""
        if self._worth:
            self._scraped.clear()
            if self._scraped.wait(self.linger):
                time.sleep(0.2)  # the answer is on its way
            self._server.shutdown()


def serve(linger: float) -> None:
    """Serve this process's metrics if it was given a port."""
    global _endpoint
    if (port := os.environ.get(PORT)) and _endpoint is None:
        _endpoint = Endpoint(int(port), linger)


def close() -> None:
    """At the end of a process, well or not; not where it was told to stop."""
    if _endpoint is not None:
        _endpoint.close()
