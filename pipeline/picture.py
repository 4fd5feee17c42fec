"""Keep the README's picture equal to the DAG: `python -m pipeline.picture README.md`.

The mermaid block between the two markers is replaced by what `palimpsest show --mermaid` prints.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pipeline import config, dag, draw, errors

BLOCK = re.compile(r"(<!-- picture -->\n```mermaid\n).*?(```\n<!-- /picture -->)", re.S)


def drawn(text: str) -> str:
    """`text` with the picture of the demo's DAG between its markers."""
    demo = config.load("demo")
    mermaid = draw.as_mermaid(dag.checked(demo))
    if not BLOCK.search(text):
        raise errors.ConfigError("no <!-- picture --> markers around a mermaid block")
    return BLOCK.sub(lambda match: f"{match[1]}{mermaid}\n{match[2]}", text)


def main(argv: list[str]) -> int:
    path = Path(argv[0])
    path.write_text(drawn(path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(errors.guard(main, sys.argv[1:]))
