"""Argo, for a rehearsal: start the nodes of a workflow as real containers, in order, two at a time.

Retries are the template's own rule. Some containers are killed at moments drawn from a seed.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.pods import Node, members
from tests.e2e import kubelet
from tests.e2e.engine import podman
from tests.e2e.kubelet import Running, Site

#: Seconds within which a kill falls, after the container has started: some while Python still
#: imports, some in the midst of the work. Half of it after each kill that came too late.
REACH = {"base": 0.6, "editor": 8.0, "train": 15.0}
#: Seconds before a container counts as stuck, and between two tries (Argo waits longer).
STUCK, PAUSE = 900.0, 1.0
KILLED = 137


@dataclass
class Tally:
    """What happened: attempts by image, seconds in containers by image, and the kills."""

    attempts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)


class Failed(Exception):
    """A node ended in a way that Argo would not try again."""


def image(node: Node) -> str:
    """The short name of the image that a node runs."""
    spec = node.manifest["spec"]
    spec = spec["template"]["spec"] if node.kind == "Job" else spec
    name: str = spec["containers"][0]["image"]
    return name.rpartition("/")[2].partition(":")[0].partition("@")[0]


def width(node: Node) -> int:
    """How many containers a node starts at once."""
    return int(node.manifest["spec"]["completions"]) if node.kind == "Job" else 1


class Cluster:
    def __init__(self, site: Site, seed: int, kills: int, slots: int = 2) -> None:
        self.site, self.slots, self.wanted = site, slots, kills
        self.draw = random.Random(seed)
        self.tally = Tally()
        self.marked: dict[str, float] = {}
        self.late = 0
        self.waiting: list[str] = []
        self.images: dict[str, str] = {}
        self.lock = threading.Lock()
        self.begun = time.monotonic()

    def run(self, nodes: Sequence[Node]) -> Tally:
        """Run them all. Raises Failed for the first that ends for good, RuntimeError if fewer were
        killed than wished for."""
        todo = {node.name: node for node in nodes}
        self.images = {node.name: image(node) for node in nodes}
        self.waiting = [node.name for node in nodes if not node.last]
        jobs = [node.name for node in nodes if node.kind == "Job"]
        for _ in range(self.wanted):
            self._mark(jobs if not self.marked else [])
        done: set[str] = set()
        running: dict[Future[None], Node] = {}
        with ThreadPoolExecutor(self.slots) as pool:
            while todo or running:
                for node in list(todo.values()):
                    busy = sum(min(width(one), self.slots) for one in running.values())
                    free = busy + min(width(node), self.slots) <= self.slots
                    if free and done.issuperset(node.needs):
                        del todo[node.name]
                        running[pool.submit(self._node, node)] = node
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    future.result()
                    done.add(running.pop(future).name)
        if len(self.tally.kills) < self.wanted:
            raise RuntimeError(f"only {len(self.tally.kills)} of {self.wanted} kills hit")
        return self.tally

    def _mark(self, among: Sequence[str] = ()) -> None:
        """Draw another node that shall be killed, and when, of the sooner half of those that have
        not begun."""
        free = [name for name in among or self.waiting if name not in self.marked]
        if free:
            name = self.draw.choice(free[: len(free) // 2 + 1])
            reach = REACH[self.images[name]] / 2**self.late
            self.marked[name] = self.draw.uniform(0, reach)

    def _node(self, node: Node) -> None:
        with self.lock:
            if node.name in self.waiting:
                self.waiting.remove(node.name)
        for attempt in range(node.limit + 1):
            begun = time.monotonic()
            with self.lock:
                fuse = self.marked.get(node.name) if not attempt else None
            codes = self._attempt(node, attempt, fuse)
            seconds = time.monotonic() - begun
            killed = fuse is not None and KILLED in codes
            self._count(node, seconds, fuse, killed)
            verdict, again = judge(node, codes)
            again = again and attempt < node.limit
            how = f"{'killed, ' if killed else ''}{verdict} after {seconds:.1f} s"
            tries = f", try {attempt + 2} of {node.limit + 1}" if again else ""
            print(f"{time.monotonic() - self.begun:6.1f} s  {node.name}: {how}{tries}", flush=True)
            if not any(codes):
                return
            if not again:
                break
            time.sleep(PAUSE)
        raise Failed(f"{node.name}: {verdict}\n{self.tally.logs[node.name]}")

    def _count(self, node: Node, seconds: float, fuse: float | None, killed: bool) -> None:
        name = self.images[node.name]
        with self.lock:
            self.tally.attempts[name] = self.tally.attempts.get(name, 0) + 1
            self.tally.seconds[name] = self.tally.seconds.get(name, 0.0) + seconds
            if killed:
                self.tally.kills.append(node.name)
            elif fuse is not None:  # it had ended before: another shall be
                self.late += 1
                self._mark()

    def _attempt(self, node: Node, attempt: int, fuse: float | None) -> list[int]:
        """Start a node's containers, wait for their end, remove them; their exit codes."""
        job = f"{self.site.name}-{node.template}-{attempt}"
        alone = node.kind == "Pod"
        pods = [node.manifest] if alone else list(members(node.manifest, job))
        rendezvous = "" if alone else f"{job}-0.{pods[0]['spec'].pop('subdomain')}"
        started: list[Running] = []
        try:
            for pod in pods:
                started.append(kubelet.start(pod, self.site, attempt, rendezvous))
            if fuse is not None:
                victim = self.draw.choice(started).container
                timer = threading.Timer(fuse, _kill, [victim])
                timer.daemon = True
                timer.start()
            return _ends([pod.container for pod in started])
        finally:
            self.tally.logs[node.name] = "\n".join(_log(one.container) for one in started)
            for one in started:
                one.remove()


def _log(container: str) -> str:
    """The last lines of a container. Not `logs --tail`, which in podman 4.3 loses a line that was
    written in two parts."""
    return "\n".join(podman("logs", container).splitlines()[-100:])


def _kill(container: str) -> None:
    with suppress(RuntimeError):  # it has ended
        podman("kill", "--signal", "KILL", container)


def _ends(containers: list[str]) -> list[int]:
    """Wait until all have ended. As soon as one fails the others are stopped, as those of a Job
    that never starts a pod again."""
    waits = [
        subprocess.Popen(["podman", "wait", name], stdout=subprocess.PIPE, text=True)
        for name in containers
    ]
    codes: list[int | None] = [None] * len(waits)
    deadline = time.monotonic() + STUCK
    stopped = False
    while None in codes:
        for index, process in enumerate(waits):
            if codes[index] is None and process.poll() is not None:
                codes[index] = int(process.communicate()[0])
        if not stopped and (any(codes) or time.monotonic() > deadline):
            stopped = True
            for index, name in enumerate(containers):
                if codes[index] is None:
                    podman("stop", "--time", "10", name)
        time.sleep(0.05)
    return [code for code in codes if code is not None]


def judge(node: Node, codes: list[int]) -> tuple[str, bool]:
    """What became of a node, and whether Argo would try it again."""
    failed = [code for code in codes if code]
    said = "exit " + "+".join(map(str, codes))
    if not failed:
        return said, False
    if node.kind == "Pod":
        return said, failed[0] in node.retried
    rules: list[dict[str, Any]] = node.manifest["spec"]["podFailurePolicy"]["rules"]
    final = {
        code
        for rule in rules
        if rule["action"] == "FailJob"
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    return said, not final.intersection(failed)
