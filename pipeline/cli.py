"""`palimpsest`: run, look, check. Settings live in the config file, not in flags.

Nothing here imports torch; `--help`, `show` and `audit` answer within half a CPU second.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.errors import guard

PHOTOS = Path("tests/data/photos")


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(
        prog="palimpsest",
        description="Paint over photographs with diffusion models, remember who painted which "
        "pixel, and train detectors that read it back.",
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="command")
    profile = argparse.ArgumentParser(add_help=False)
    profile.add_argument(
        "--profile", default="demo", help="a shipped profile or a YAML file (demo)"
    )

    run = commands.add_parser("run", parents=[profile], help="run everything on this machine; "
                              "run again to go on where it stopped")  # fmt: skip
    run.add_argument("--photos", type=Path, help="a COCO folder or any folder of images "
                     "(default: the sample photographs)")  # fmt: skip
    run.add_argument("--out", type=Path, help="the folder of the run (default: runs/<profile>)")

    show = commands.add_parser("show", parents=[profile], help="print the DAG of a profile")
    show.add_argument("--mermaid", action="store_true", help="as a mermaid flowchart")

    audit = commands.add_parser(
        "audit", help="recount a run from its plan; exit 0 only if complete"
    )
    audit.add_argument("run", type=Path, help="the folder of the run")
    audit.add_argument("--json", action="store_true", help="print the counts as JSON")
    return main


def main(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    if args.command == "show":
        return _show(args)
    if args.command == "audit":
        return _audit(args)
    return _run(args)


def _show(args: argparse.Namespace) -> int:
    from pipeline import config, dag, draw

    chosen = config.load(args.profile)
    stages = dag.checked(chosen)
    print(draw.as_mermaid(stages) if args.mermaid else draw.as_text(stages, chosen))
    return 0


def _audit(args: argparse.Namespace) -> int:
    from pipeline import audit, summary

    found = audit.audit(args.run, verify=True)
    print(found.model_dump_json(indent=2) if args.json else summary.as_text(found))
    return found.exit_code


def _run(args: argparse.Namespace) -> int:
    from pipeline import config, local
    from pipeline.code import ROOT

    chosen = config.load(args.profile)
    photos = args.photos or ROOT / PHOTOS
    out = args.out or Path("runs") / chosen.profile
    return local.run(chosen, photos, out)


def entry() -> None:
    """The console script."""
    sys.exit(guard(main, sys.argv[1:]))


if __name__ == "__main__":
    entry()
