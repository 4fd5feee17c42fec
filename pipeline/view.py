"""What a person sees while a run goes on: a live bar in a terminal, a line per stage elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

RUNNING = 6


class View:
    """A context manager; `show` is called often, with the share done of each running task."""

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self.total, self.done = total, done
        self.console = console or Console(highlight=False)
        self.live = self.console.is_terminal
        self.bar = Progress(
            TextColumn("{task.description:<34}"), BarColumn(32),
            TextColumn("{task.fields[right]:>10}"), TimeElapsedColumn(),
            console=self.console, transient=True, disable=not self.live,
        )  # fmt: skip
        self._all = self.bar.add_task("run", total=total, completed=done, right=f"{done}/{total}")
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> View:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False)

    def show(self, running: dict[str, float]) -> None:
        if not self.live:
            return
        self.bar.update(self._all, completed=self.done + sum(running.values()))
        for name in [name for name in self._rows if name not in running]:
            self.bar.remove_task(self._rows.pop(name))
        for name, share in list(running.items())[:RUNNING]:
            if name not in self._rows:
                self._rows[name] = self.bar.add_task(f"  {name}", total=1.0, right="")
            self.bar.update(self._rows[name], completed=share, right=f"{share:.0%}")

    def finished(self, name: str, seconds: float) -> None:
        self.done += 1
        self.bar.update(self._all, completed=self.done, right=f"{self.done}/{self.total}")
        if not self.live:
            self.say(f"[{self.done:>3}/{self.total}] {name:<34} {seconds:6.1f} s")
