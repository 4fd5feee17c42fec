"""Logs, one line an event: for people, or with `local.logs: json` one JSON object a line.

    2026-11-21T06:40:03Z edit-1-sdxl 0/4 shard 00003 committed: 16 in, 14 out, 2 filtered, 3.2 s
    {"time": "2026-11-21T06:40:03Z", "level": "info", "event": "shard-committed", "run": "r1", ...}

Both say the same facts. Text of models and users reaches a line only escaped and cut (`clean`), so
no text can forge a second line or steer a terminal; and without secrets (pipeline/hidden.py).
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from pipeline.hidden import hide
from pipeline.units import duration, size

if TYPE_CHECKING:
    from pipeline.stage import Context

#: Characters of one fact; a longer one keeps its end, where a traceback says what happened.
LONGEST = 4000
#: Who speaks: the facts on every line of this process, and how it says them.
_who: dict[str, Any] = {}
_mode = "human"


class Span(float):
    """Seconds, a number to programs; `{seconds:span}` reads `3 min 20 s`."""

    def __format__(self, how: str) -> str:
        return duration(self) if how == "span" else super().__format__(how)


class Size(int):
    """Bytes, a number to programs; `{bytes:size}` reads `1.2 MB`."""

    def __format__(self, how: str) -> str:
        return size(self) if how == "size" else super().__format__(how)


class Numbers(dict[str, int]):
    """Numbers by name; `{numbers}` reads `3 noop-edit, 1 nan-latents`, the frequent first."""

    def __format__(self, how: str) -> str:
        ordered = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        return clean(", ".join(f"{n} {name}" for name, n in ordered))


class Figures(dict[str, float]):
    """Figures by name; `{figures}` reads `iou 0.4312, f1 0.6025`."""

    def __format__(self, how: str) -> str:
        return clean(", ".join(f"{name} {figure:.4f}" for name, figure in self.items()))


def clean(text: str, longest: int = LONGEST) -> str:
    """`text` on one line: what is not printable (controls, line and direction marks, lone
    surrogates) as an escape, secrets hidden; of a text that is too long, the last `longest`
    characters."""
    text = hide(text)
    cut = text if len(text) <= longest else "..." + text[-longest:]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def who(context: Context) -> dict[str, Any]:
    """The facts that tell this process from the others of its run."""
    stage = context.stage
    given = {name.removeprefix("--"): value for name, value in stage.given.items()}
    facts: dict[str, Any] = {"run": context.run.path.resolve().name, "stage": stage.name, **given}
    if "turn" in facts:
        facts["turn"] = int(facts["turn"])
    if stage.scope == "shard":
        facts["partition"] = "{}/{}".format(*context.partition)
    return facts


def speak_for(facts: dict[str, Any], mode: str) -> None:
    """From here on every line of this process carries `facts`; `mode` is human or json."""
    global _mode
    _who.clear()
    _who.update(facts)
    _mode = mode


def as_json() -> bool:
    return _mode == "json"


def say(event: str, text: str, level: str = "info", **facts: Any) -> None:
    """One event. `text` is what a person reads, a format of the `facts` that a program reads.
    Of several torchrun processes only the first speaks, except of errors."""
    if level != "error" and os.environ.get("RANK", "0") != "0":
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kept = {key: clean(fact) if isinstance(fact, str) else fact for key, fact in facts.items()}
    if as_json():
        line = {"time": now, "level": level, "event": event, **_who, **kept}
        _print(json.dumps(line, default=str))
        return
    names = [str(_who[key]) for key in ("stage", "partition") if key in _who]
    _print(" ".join([now, *names, text.format(**kept)]))


def _print(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError as error:  # of a full disk, say, which nobody would know for the log's
        error.filename = error.filename or "the log"
        raise
