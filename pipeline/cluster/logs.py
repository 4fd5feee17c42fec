"""`palimpsest logs`: what the pods of a run say, one line an event."""

from __future__ import annotations

import argparse
import json
import queue
import re
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pipeline.cluster import status
from pipeline.cluster.api import STAGE, Cluster, Object
from pipeline.cluster.found import meant
from pipeline.cluster.refusals import Absent, NotYet
from pipeline.cluster.status import INTERRUPTED, until_ended
from pipeline.errors import PalimpsestError, TransientError
from pipeline.events import clean

#: A container runtime cuts lines long before this.
LONGEST = 1 << 20
_PARTITION = re.compile(r"(\d+)/\d+")
_RANK = "batch.kubernetes.io/job-completion-index"


def main(args: argparse.Namespace) -> int:
    cluster = Cluster(args.context, args.namespace)
    names = [one["metadata"]["name"] for one in meant(cluster, args.run)]
    try:
        return _follow(cluster, names, args) if args.follow else _once(cluster, names, args)
    except KeyboardInterrupt:
        return INTERRUPTED


def _once(cluster: Cluster, names: list[str], args: argparse.Namespace) -> int:
    """Pod after pod, the oldest first."""
    pods = _chosen(cluster, names, args)
    for pod in pods:
        try:
            for line in cluster.log(pod["metadata"]["name"], follow=False):
                print(shown(line, pod))
        except NotYet:
            print(f"{title(pod)}: has not started yet", file=sys.stderr)
        except Absent:
            print(f"{title(pod)}: the pod is gone", file=sys.stderr)
    if not pods:
        print(f"no pods of {', '.join(names)} match: those that have succeeded are removed after a "
              "while, others may not have begun; see `palimpsest status "
              f"{args.run}{cluster.options}`", file=sys.stderr)  # fmt: skip
    return 0


def _follow(cluster: Cluster, names: list[str], args: argparse.Namespace) -> int:
    """All pods at once, as they speak, until the workflows have ended and all is said."""
    said: queue.Queue[str] = queue.Queue()
    readers: dict[str, threading.Thread] = {}

    def look(found: Object) -> None:
        for pod in _chosen(cluster, names, args):
            uid = pod["metadata"]["uid"]
            begun = (pod.get("status") or {}).get("phase") not in (None, "Pending")
            if uid not in readers and begun:
                readers[uid] = threading.Thread(
                    target=_read, args=(cluster, pod, said), daemon=True
                )
                readers[uid].start()

    for name in names:
        until_ended(cluster, name, look, lambda wait: _print(said, wait))
    while any(reader.is_alive() for reader in readers.values()):
        _print(said, 0.1)
    _print(said, 0.0)
    return 0


def _print(said: queue.Queue[str], wait: float) -> None:
    """What is said within `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        try:
            print(said.get(timeout=max(0.0, deadline - time.monotonic())), flush=True)
        except queue.Empty:
            return


def _read(cluster: Cluster, pod: Object, said: queue.Queue[str]) -> None:
    """On a thread of its own: one pod's log to its end. A stream that breaks is taken up again
    after the lines that were read."""
    seen = 0
    while True:
        try:
            for number, line in enumerate(cluster.log(pod["metadata"]["name"], follow=True)):
                if number >= seen:
                    seen += 1
                    said.put(shown(line, pod))
            return
        except Absent:
            return
        except TransientError:
            time.sleep(status.EVERY)
        except PalimpsestError as error:
            said.put(f"{title(pod)}: {error}")
            return


def _chosen(cluster: Cluster, names: list[str], args: argparse.Namespace) -> list[Object]:
    return [
        pod for name in names for pod in cluster.pods(name, args.stage or "")
        if not _waits_for_a_job(pod)
        and (args.partition is None or partition(pod).split("/")[0] == str(args.partition))
    ]  # fmt: skip


def _main(pod: Object) -> Object:
    containers = (pod.get("spec") or {}).get("containers") or ()
    found: Object = next((one for one in containers if one["name"] == "main"), {})
    return found


def _waits_for_a_job(pod: Object) -> bool:
    """Argo's own pod beside a training Job speaks of nothing but its waiting; unless it failed."""
    words = [*(_main(pod).get("command") or ()), *(_main(pod).get("args") or ())]
    return words[:2] == ["argoexec", "resource"] and pod["status"].get("phase") != "Failed"


def partition(pod: Object) -> str:
    """`k/n` as the stage was told, the rank of a training process, or ""."""
    words: list[str] = [*(_main(pod).get("command") or ()), *(_main(pod).get("args") or ())]
    for option, value in _pairs(words):
        if option == "--partition" and _PARTITION.fullmatch(value):
            return value
    rank = (pod["metadata"].get("annotations") or {}).get(_RANK)
    return f"rank {rank}" if rank is not None else ""


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    return pairwise(words)


def title(pod: Object) -> str:
    labels: dict[str, Any] = pod["metadata"].get("labels") or {}
    stage = labels.get(STAGE) or pod["metadata"]["name"]
    return " ".join(filter(None, [stage, partition(pod)]))


def shown(line: str, pod: Object) -> str:
    """An event says itself whose it is, for people or as JSON; any other line is told by its
    stage and partition."""
    line = clean(line.rstrip("\r"), LONGEST)
    stage = (pod["metadata"].get("labels") or {}).get(STAGE, "")
    if stage and re.match(rf"\d{{4}}-\d\d-\d\dT[\d:]+Z {re.escape(stage)} ", line):
        return line
    if line.startswith("{") and _is_event(line):
        return line
    return f"{title(pod)} | {line}"


def _is_event(line: str) -> bool:
    try:
        return "event" in json.loads(line)
    except ValueError:
        return False
