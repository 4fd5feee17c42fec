"""`palimpsest exporter`: serve what stands in run folders as metrics, finished runs among them.

A pod that ends takes its metrics along, and one that is killed has counted work that nobody will
find. The manifests know better: this reads them, whoever wrote them and however often that was
tried. It only reads; the folders may be mounted read-only.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING

from pipeline import code, events, live, metrics
from pipeline.errors import OK, ConfigError, InputError
from pipeline.exporter_runs import Runs

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry


def main(args: argparse.Namespace) -> int:
    """Serve until told to stop, or print once what would be served; returns an exit code."""
    runs = Runs(args.runs)
    if args.once:
        return _once(runs)
    with suppress(KeyboardInterrupt):  # SIGTERM is one, too: nothing is left undone
        _serve(runs, args.port, args.address)
    return OK


def _serve(runs: Runs, port: int, address: str) -> None:
    import prometheus_client as prometheus

    live.gauge(metrics.BUILD, code.VERSION, code.digest()).set(1)
    prometheus.REGISTRY.register(runs)
    server = serve(prometheus.REGISTRY, port, address, "--port")
    where = ", ".join(map(str, runs.places))
    events.say("exporter-started", "serving the runs in {folders} on {url}", folders=where,
               url=url(server))  # fmt: skip
    begun = time.monotonic()
    series = sum(len(family.samples) for family in runs.collect())  # the first look takes longest
    events.say("exporter-ready", "{series} series of {runs} runs, read in {seconds:.1f} s",
               series=series, runs=len(runs.found()),
               seconds=round(time.monotonic() - begun, 3))  # fmt: skip
    while True:
        time.sleep(3600)


def _once(runs: Runs) -> int:
    import prometheus_client as prometheus

    registry = prometheus.CollectorRegistry()
    registry.register(runs)
    with redirect_stdout(sys.stderr):  # warnings; what is printed is for programs
        if not runs.found():
            raise InputError(f"no run in {', '.join(map(str, runs.places))}: give the folder of a "
                             "run, or one that holds runs")  # fmt: skip
        text = prometheus.generate_latest(registry).decode()
    print(text, end="")
    return OK


def serve(registry: CollectorRegistry, port: int, address: str, option: str) -> WSGIServer:
    """Serve /metrics from a thread. A ConfigError names `option` where the port cannot be had."""
    import prometheus_client as prometheus

    try:
        return prometheus.start_http_server(port, address, registry)[0]
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"metrics cannot be served on port {port} of {address} ({why}): give "
                          f"another port with {option}") from None  # fmt: skip


def url(server: WSGIServer) -> str:
    """Where a server's metrics are."""
    host, port = server.server_address[:2]
    name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"
