"""How a dashboard's file is written: what fits on a line stays on it, so that a change to a panel
is a change to a line or two. `python -m tests.dashboards.tidy` writes all of them so."""

from __future__ import annotations

import json
from typing import Any

from tests.dashboards.boards import FOLDER

WIDTH = 120


def text(board: dict[str, Any]) -> str:
    return _lines(board, 0, 0) + "\n"


def _lines(value: Any, indent: int, before: int) -> str:
    """`value` as JSON, indented by so many spaces, after so many characters on its line."""
    flat = json.dumps(value, ensure_ascii=False)
    whole = not isinstance(value, dict | list) or not value
    if whole or (indent and before + len(flat) < WIDTH):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value]
        rows = [key + _lines(one, indent + 2, indent + 2 + len(key))
                for key, one in zip(keys, value.values(), strict=True)]  # fmt: skip
    else:
        rows = [_lines(one, indent + 2, indent + 2) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    joined = ",\n".join(inner + row for row in rows)
    return f"{opening}\n{joined}\n{' ' * indent}{closing}"


def main() -> None:
    for path in sorted(FOLDER.glob("*.json")):
        path.write_text(text(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
