"""What a person sees while a run goes on: in a terminal how far it is and when it will be done, and
the stages at work with their samples a second; elsewhere a line per step.

The bar of the run is of the work, so that a training, one step of many, is more than an inch of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from pipeline.eta import Eta, clock

T = TypeVar("T")
#: Tasks that are shown with a bar; of more, how many they are.
RUNNING = 6
#: Seconds between two looks at the tasks in a terminal; without one, between two lines that say the
#: ETA, and until a line where no step ends.
LOOK, SAY, QUIET = 0.25, 15.0, 60.0
#: Characters of a task's name at most, and of `120.5 samples/s`: bars keep their place.
NAME, RIGHT = 40, 15


class AtWork(Protocol):
    """A process as `pipeline.child.Child` has it."""

    def share(self) -> float: ...

    def samples(self) -> int: ...


class Rate:
    """Samples a second since a task was first seen to work at any."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def see(self, now: float, samples: int) -> str:
        """`3.9 samples/s`, "" as long as too little is known."""
        if self._first is None or samples < self._first[1]:
            self._first = (now, samples) if samples else None
        if self._first is None or samples == self._first[1] or now - self._first[0] < 1:
            return ""
        rate = (samples - self._first[1]) / (now - self._first[0])
        return f"{rate:.1f} samples/s" if rate < 100 else f"{rate:.0f} samples/s"


class View(Generic[T]):
    """A context manager. `show` is called often, with the processes at work."""

    def __init__(
        self, eta: Eta[T], console: Console | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.eta, self.now = eta, now
        self.console = console or Console(highlight=False)
        self._screen = Live(console=self.console, transient=True, auto_refresh=False)
        self._rates: dict[T, Rate] = {}
        self._looked = self._said = self._spoke = float("-inf")
        self._left = 0.0

    def __enter__(self) -> View[T]:
        self._said = self._spoke = self.now()
        if self.console.is_terminal:
            self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.stop()

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def show(self, running: Mapping[T, AtWork]) -> None:
        now = self.now()
        if now - self._looked < LOOK:
            return
        self._looked = now
        shares = {task: child.share() for task, child in running.items()}
        self._left = self.eta.shown(now, shares)
        if self.console.is_terminal:
            self._screen.update(self._drawn(now, running, shares), refresh=True)
        elif now - self._spoke >= QUIET:
            at_work = ", ".join(f"{task} {share:.0%}" for task, share in shares.items())
            self._line(f"at work: {at_work}", now)

    def _drawn(self, now: float, running: Mapping[T, AtWork], shares: dict[T, float]) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        name = min(NAME, self.console.width * 2 // 5)
        table.add_column(no_wrap=True, overflow="ellipsis", width=name)
        table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True, min_width=7)
        table.add_column(no_wrap=True, width=RIGHT)
        done = f"{self.eta.done}/{len(self.eta.kinds)}"
        table.add_row("run", _bar(self.eta.share(now)), done, f"ETA {clock(self._left)}")
        self._rates = {task: self._rates.get(task, Rate()) for task in running}
        for task in list(running)[:RUNNING]:
            rate = self._rates[task].see(now, running[task].samples())
            table.add_row(f"  {task}", _bar(shares[task]), f"{shares[task]:.0%}", rate)
        if len(running) > RUNNING:
            table.add_row(f"  and {len(running) - RUNNING} more")
        return table

    def finished(self, task: T, seconds: float) -> None:
        """A task is done; without a terminal that is a line."""
        self.eta.learn(task, seconds)
        if not self.console.is_terminal:
            self._line(f"{task!s:<34} {seconds:6.1f} s", self.now())

    def _line(self, text: str, now: float) -> None:
        """With the ETA, if it was not said just before."""
        self._spoke = now
        eta = ""
        if now - self._said >= SAY:
            self._said, eta = now, f"   ETA {clock(self._left)}"
        self.say(f"[{self.eta.done:>3}/{len(self.eta.kinds)}] {text}{eta}")


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share)
