"""`palimpsest`: run, look, check. Settings live in the config file, not in flags.

Nothing here imports torch; `--help`, `show` and an audit answer at once.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from pipeline.cluster import commands as cluster
from pipeline.code import ROOT
from pipeline.errors import guard
from pipeline.usage import parser

PHOTOS = Path("tests/data/photos")
#: Commands that need more than this package may import, and the modules that have them.
ELSEWHERE = {"models": "jobs.models", "predict": "training.predict", "export": "training.export",
             "browse": "training.browse"}  # fmt: skip
#: And those of this package whose module has a `main(args)` of their own.
HERE = {"audit": "pipeline.audit_said", "doctor": "pipeline.doctor",
        "exporter": "pipeline.exporter", "cost": "pipeline.cost", "plan": "pipeline.plan",
        "verify": "pipeline.verify", "repair": "pipeline.repair",
        "gc": "pipeline.gc"}  # fmt: skip


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    if args.command in cluster.NAMES:
        return cluster.main(args)
    does = {"show": _show, "run": _run, "render": _render, "lint": _lint, "import": _import,
            "report": _report}  # fmt: skip
    if module := (HERE | ELSEWHERE).get(args.command):
        # found by name, as every stage is
        code: int = import_module(module).main(args)
        return code
    return does[args.command](args)


def _show(args: argparse.Namespace) -> int:
    from pipeline import config, dag, draw

    chosen = config.load(args.profile)
    stages = dag.checked(chosen)
    print(draw.as_mermaid(stages) if args.mermaid else draw.as_text(stages, chosen))
    return 0


def _run(args: argparse.Namespace) -> int:
    from pipeline import config, local

    chosen = config.load(args.profile)
    photos = args.photos or (ROOT / PHOTOS if chosen.imported is None else None)
    if chosen.imported and chosen.photos:
        photos = photos or Path(chosen.photos)
    out = args.out or Path("runs") / chosen.profile
    return local.run(chosen, photos, out, metrics_port=args.metrics_port)


def _import(args: argparse.Namespace) -> int:
    from pipeline import config, local, released

    chosen = config.load(args.profile)
    if args.hub:
        import_module("jobs.imported_hub").fetch(args.path)
    return local.run(released.filled(chosen, args.path), args.photos, args.out, until="index")


def _report(args: argparse.Namespace) -> int:
    for path in import_module("training.report").again(args.run):
        print(path)
    return 0


def _render(args: argparse.Namespace) -> int:
    from pipeline import render

    return render.main_render(args.check, args.profile, args.chart)


def _lint(args: argparse.Namespace) -> int:
    from pipeline import lint

    return lint.main_lint(args.files)


def entry() -> None:
    """The console script."""
    sys.exit(guard(main, sys.argv[1:]))


if __name__ == "__main__":
    entry()
