"""The parsers of the commands that speak to a cluster; what they do is imported when they do it."""

from __future__ import annotations

import argparse
from typing import Any

NAMES = ("submit", "status", "logs", "stop")


def add(commands: Any) -> None:
    """Add a parser for each of NAMES to the subparsers of the command line."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--namespace", help="(default: the kubeconfig's)")
    where.add_argument("--context", help="of the kubeconfig (default: its current one)")

    submit = commands.add_parser("submit", parents=[where], help="start or resume a run on a "
                                 "cluster with Argo Workflows")  # fmt: skip
    submit.add_argument("--profile", default="demo", help="one that the chart installed (demo)")
    submit.add_argument("--run-id", help="the folder of the run below /data/runs (default: the "
                        "profile's)")  # fmt: skip
    submit.add_argument("--photos", help="path of the photographs in the pods")
    submit.add_argument("--partitions", type=int, help="how many pods share a stage")
    submit.add_argument("--release", default="palimpsest", help="of helm install (palimpsest)")
    submit.add_argument("--watch", action="store_true", help="stay until it has ended; exit 0 only "
                        "if it succeeded")  # fmt: skip

    status = commands.add_parser("status", parents=[where], help="how far the runs on a cluster "
                                 "are")  # fmt: skip
    status.add_argument("run", nargs="?", help="the run's id (default: a table of all)")
    status.add_argument("--watch", action="store_true", help="stay until it has ended")

    logs = commands.add_parser("logs", parents=[where], help="what the pods of a run say")
    logs.add_argument("run", help="the run's id")
    logs.add_argument("--stage", help="of this stage only, such as edit-1-sdxl")
    logs.add_argument("--partition", type=int, help="of this partition only, from 0")
    logs.add_argument("--follow", action="store_true", help="stay until the run has ended")

    stop = commands.add_parser("stop", parents=[where], help="end a run on a cluster; what is "
                               "committed is kept")  # fmt: skip
    stop.add_argument("run", help="the run's id")
    stop.add_argument("--now", action="store_true", help="without the summary at the end")


def main(args: argparse.Namespace) -> int:
    from importlib import import_module

    code: int = import_module(f"pipeline.cluster.{args.command}").main(args)
    return code
