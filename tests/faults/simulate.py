"""A whole run on one thread's time: the real executor and the real loop, and a world that evicts,
kills, doubles, stalls and disturbs their processes at any call to the disk, all drawn from one
seed.

Processes are threads of which exactly one runs, from one disk call to its next. So a seed is a
schedule, and the same seed is the same schedule again.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline import disk, gc, live, local, loop
from pipeline.errors import Stopped, explain
from pipeline.shards import RunFolder
from tests.faults import mini
from tests.faults.calls import Calls
from tests.faults.faulty import Crash

#: What happens at one disk call, and how often in a thousand.
EVENTS = {"evicted": 4, "killed": 4, "doubled": 3, "stalled": 10, "EIO": 2, "ESTALE": 2,
          "ENOSPC": 2, "EIO after": 2, "collected": 4}  # fmt: skip
STALL = 60  # steps
CODES = {"EIO": errno.EIO, "ESTALE": errno.ESTALE, "ENOSPC": errno.ENOSPC, "EIO after": errno.EIO}


class Actor:
    """A process: `exitcode` is None while it lives. It runs only between `resume` and its next
    disk call."""

    def __init__(self, world: World, task: str, main: Callable[[], int]) -> None:
        self.world, self.task = world, task
        self.exitcode: int | None = None
        self.dead, self.asleep, self.fault = False, 0, ""
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, args=(main,), daemon=True)
        self._thread.start()

    def _live(self, main: Callable[[], int]) -> None:
        self._go.acquire()
        try:
            code = main()
        except Crash:
            code = -signal.SIGKILL
        except BaseException as error:
            code, sentence = explain(error)
            if not sentence:
                self.world.bugs.append(f"{self.task}: {error!r}")
        self.exitcode = code
        self._back.release()

    def resume(self, fault: str) -> None:
        self.fault = fault
        self._go.release()
        assert self._back.acquire(timeout=60)

    def pause(self) -> str:
        """At a disk call, in the actor's own thread: wait to be resumed, with this fault."""
        self._back.release()
        self._go.acquire()
        return self.fault

    @property
    def mine(self) -> bool:
        return threading.current_thread() is self._thread


class World:
    """All actors, the order in which they run, and what was seen of commits."""

    def __init__(self, run: RunFolder, seed: int, calm: bool = False) -> None:
        self.run, self.draw, self.calm = run, random.Random(seed), calm
        self.actors: list[Actor] = []
        self.trace: list[str] = []
        self.bugs: list[str] = []
        self.seen: Counter[str] = Counter()
        self.committed: dict[str, bytes] = {}

    def spawn(self, task: str, main: Callable[[], int]) -> Actor:
        found = Actor(self, task, main)
        self.actors.append(found)
        self.mains = {**getattr(self, "mains", {}), task: main}
        return found

    def steps(self, count: int) -> None:
        """Let so many disk calls happen."""
        for _ in range(count):
            alive = [one for one in self.actors if one.exitcode is None]
            if not alive:
                return
            awake = [one for one in alive if one.asleep <= 0] or alive
            for one in alive:
                one.asleep -= 1
            chosen = awake[self.draw.randrange(len(awake))]
            fault = self._fault(chosen)
            self.trace.append(f"{self.actors.index(chosen)} {fault}")
            chosen.resume(fault)

    def _fault(self, actor: Actor) -> str:
        if self.calm:
            return ""
        place = self.draw.randrange(1000)
        for name, often in EVENTS.items():
            if place < often:
                self.seen[name] += 1
                if name == "stalled":
                    actor.asleep = self.draw.randrange(STALL)
                elif name == "doubled" and len(self.actors) < 400:
                    self.spawn(actor.task, self.mains[actor.task])
                elif name == "collected":
                    gc.sweep(self.run, delete=True, grace=0)
                return name if name in (*CODES, "evicted", "killed") else ""
            place -= often
        return ""

    def drain(self) -> None:
        """Let what still lives end, undisturbed."""
        self.calm = True
        while any(one.exitcode is None for one in self.actors):
            self.steps(100)


class SimulatedDisk(Calls):
    """The real disk; every call of an actor is a point at which the world may do something."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _call(self, name: str, *args: Any) -> Any:
        actor = next((one for one in self.world.actors if one.mine), None)
        real = partial(self._real, name)
        if actor is None:  # the executor's own, or the world's
            return real(*args)
        if actor.dead:
            if name == "close":  # the kernel closes what a dead process had open
                return real(*args)
            raise Crash
        fault = actor.pause()
        if fault == "killed":
            actor.dead = True
            if name == "close":
                real(*args)
            raise Crash
        if fault == "evicted":
            if name == "close":
                real(*args)
            raise Stopped
        if fault in CODES and fault != "EIO after":
            if name == "close":
                real(*args)
            raise OSError(CODES[fault], os.strerror(CODES[fault]))
        self._check(name, args)
        found = real(*args)
        self._note(name, args)
        if fault == "EIO after" and name != "create":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found

    def _check(self, name: str, args: tuple[Any, ...]) -> None:
        """Nobody opens a tar that no manifest names."""
        if name == "open" and args[0].suffix == ".tar":
            manifest = args[0].with_name(f"{args[0].name.partition('-')[0]}.json")
            if args[0].name.encode() not in manifest.read_bytes():
                self.world.bugs.append(f"{args[0].name} was read uncommitted")

    def _note(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "link" and args[1].suffix == ".json":
            path = str(args[1].relative_to(self.world.run.path))
            if path in self.world.committed:
                self.world.bugs.append(f"{path} was committed twice")
            self.world.committed[path] = args[1].read_bytes()


class Child:
    """Stands in for `pipeline.child.Child`: a process of the simulated world."""

    world: World

    def __init__(
        self, module: str, argv: list[str], processes: int, log: Path, preload: Sequence[str]
    ) -> None:
        who = dict(zip(argv[0:-1:2], argv[1:-1:2], strict=False))
        stage = next(one for one in mini.STAGES if one.name == who["--split"])
        k, n = (int(part) for part in who["--partition"].split("/"))
        context = mini.context(self.world.run, stage, (k, n))
        self.actor = self.world.spawn(f"{stage.name} {k}",
                                      lambda: loop.work(context, mini.job(stage)))  # fmt: skip
        self.log, self.seconds = log, 0.0

    @property
    def exitcode(self) -> int | None:
        return self.actor.exitcode

    def poll(self) -> int | None:
        return self.exitcode

    def share(self) -> float:
        return 0.0

    def end(self, force: bool) -> None:
        """The kubelet forgets it; it may well live on for a while."""

    def last_words(self, code: int) -> str:
        return "simulated"


class InlinePool:
    """Does at once what a pool would do on a thread."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


@contextmanager
def simulated(world: World, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The executor and the loop in `world`: its disk, its processes, its time."""
    names = random.Random(world.draw.random())
    with patch.context() as here:
        here.setattr(disk, "system", SimulatedDisk(world))
        here.setattr(loop, "ThreadPoolExecutor", InlinePool)
        here.setattr(Child, "world", world, raising=False)
        here.setattr(local, "Child", Child)
        here.setattr(local, "stop", lambda children: None)
        here.setattr(local.time, "sleep", lambda seconds: world.steps(20))
        here.setattr(uuid, "uuid4", lambda: uuid.UUID(int=names.getrandbits(128), version=4))
        here.setattr(live, "serve", lambda linger: None)
        yield
