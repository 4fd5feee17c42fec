"""What may be asked on the command line; what is done for it is imported when it is done."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from pipeline.cluster import commands as cluster
from pipeline.code import ROOT

RELEASED = ROOT / "jobs" / "diffseg30k.yaml"
MODEL = "RUN:TRIAL, as in runs/demo:deeplabv3plus-binary, or a safetensors file with its curve"
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parser() -> argparse.ArgumentParser:
    """Of all commands, in the order in which `--help` lists them."""
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
    _making(commands, profile)
    _using(commands)
    _looking(commands, profile)
    _watching(commands, profile)
    _mending(commands)
    _checking(commands)
    cluster.add(commands)
    _keeping(commands, profile)
    return main


def _making(commands: Commands, profile: argparse.ArgumentParser) -> None:
    """Runs, on this machine."""
    run = commands.add_parser("run", parents=[profile], help="run everything on this machine; "
                              "run again to go on where it stopped")  # fmt: skip
    run.add_argument("--photos", type=Path, help="a COCO folder or any folder of images "
                     "(default: the sample photographs)")  # fmt: skip
    run.add_argument("--out", type=Path, help="the folder of the run (default: runs/<profile>)")
    run.add_argument("--metrics-port", type=int, metavar="PORT",
                     help="serve the metrics of all stages on 127.0.0.1")  # fmt: skip

    take = commands.add_parser("import", help="make a run of a published dataset")
    take.add_argument("dataset", choices=("diffseg30k",))
    take.add_argument("path", type=Path, help="its zip or parquet file, or a folder of them")
    take.add_argument("--hub", action="store_true", help="fetch it into that folder first")
    take.add_argument("--profile", default=str(RELEASED), help="a YAML file with the class order "
                      "and the detectors (default: %(default)s)")  # fmt: skip
    take.add_argument("--photos", type=Path, help="photographs that nobody edited (reals)")
    take.add_argument("--out", type=Path, default=Path("runs/diffseg30k"), help="the folder of "
                      "the run (default: %(default)s)")  # fmt: skip


def _using(commands: Commands) -> None:
    """What a run made."""
    predict = commands.add_parser("predict", help="say who painted which pixel of pictures")
    predict.add_argument("model", help=MODEL)
    predict.add_argument("images", type=Path, nargs="+", metavar="IMAGE",
                         help="a picture, or a folder (with all below it)")  # fmt: skip
    predict.add_argument("--out", type=Path, help="a folder for overlays and masks as PNG")
    predict.add_argument("--json", action="store_true", help="print a JSON line a picture")

    export = commands.add_parser("export", help="write a trained detector as ONNX")
    export.add_argument("model", help=MODEL)
    export.add_argument("--onnx", type=Path, required=True, help="the file to write")

    browse = commands.add_parser("browse", help="look through a run in the browser")
    browse.add_argument("run", type=Path, help="the folder of the run")
    browse.add_argument("--port", type=int, default=8765, help="on 127.0.0.1 (%(default)s)")

    report = commands.add_parser("report", help="write the report of a run anew")
    report.add_argument("run", type=Path, help="the folder of the run")


def _looking(commands: Commands, profile: argparse.ArgumentParser) -> None:
    """What a run is to be, and whether it is."""
    show = commands.add_parser("show", parents=[profile], help="print the DAG of a profile")
    show.add_argument("--mermaid", action="store_true", help="as a mermaid flowchart")

    audit = commands.add_parser(
        "audit", help="recount a run from its plan; exit 0 only if complete"
    )
    audit.add_argument("run", type=Path, help="the folder of the run")
    audit.add_argument("--json", action="store_true", help="print the counts as JSON")


def _watching(commands: Commands, profile: argparse.ArgumentParser) -> None:
    """How far runs are, and what they cost."""
    exporter = commands.add_parser("exporter", help="serve what stands in run folders as metrics")
    exporter.add_argument("runs", type=Path, nargs="+", metavar="RUN",
                          help="the folder of a run, or a folder of such folders")  # fmt: skip
    exporter.add_argument("--port", type=int, default=9090, help="(%(default)s)")
    exporter.add_argument("--address", default="127.0.0.1", help="(%(default)s)")
    exporter.add_argument("--once", action="store_true", help="print them instead")

    cost = commands.add_parser("cost", help="say what a run took, by family and stage")
    cost.add_argument("run", type=Path, help="the folder of the run")
    cost.add_argument("--json", action="store_true", help="print it as JSON")

    plan = commands.add_parser("plan", parents=[profile], help="estimate the hours of a run before "
                               "submitting it")  # fmt: skip
    plan.add_argument("--images", type=int, help="pictures to keep (default: as the profile has)")
    plan.add_argument("--gpus", default="8xH100", help="how many of which (%(default)s)")
    plan.add_argument("--like", type=Path, metavar="RUN", help="take the seconds of a sample from "
                      "this run instead of the models' cards")  # fmt: skip
    plan.add_argument("--json", action="store_true", help="print it as JSON")


def _mending(commands: Commands) -> None:
    """What of a run is damaged or left over."""
    verify = commands.add_parser("verify", help="read a run to the last byte and pixel; exit 0 "
                                 "only if nothing is damaged or missing")  # fmt: skip
    repair = commands.add_parser("repair", help="make again what is damaged, and nothing else")
    repair.add_argument("--retire", action="store_true",
                        help="only move it away; the run's workflow makes it again")  # fmt: skip
    gc = commands.add_parser("gc", help="list what in a run folder belongs to nothing that stands")
    gc.add_argument("--delete", action="store_true", help="and delete it")
    for command in (verify, repair, gc):
        command.add_argument("run", type=Path, help="the folder of the run")
        command.add_argument("--json", action="store_true", help="print what was found as JSON")


def _checking(commands: Commands) -> None:
    """The machine."""
    doctor = commands.add_parser("doctor", help="check that runs can be kept and models read here")
    doctor.add_argument("--data", type=Path, help="the folder that holds runs (default: runs)")
    doctor.add_argument("--models", type=Path, help="the folder of model weights")
    doctor.add_argument("--profile", help="look for the models of this profile or YAML file")
    doctor.add_argument("--json", action="store_true", help="print what was found as JSON")
    doctor.add_argument("--gpu", action="store_true", help="a GPU must be there")
    doctor.add_argument(
        "--port", type=int, help="metrics must be servable here (with --data: 9090)"
    )


def _keeping(commands: Commands, profile: argparse.ArgumentParser) -> None:
    """Weights, and what is generated."""
    models = commands.add_parser("models", parents=[profile], help="list, fetch or verify the "
                                 "weights of a profile's models")  # fmt: skip
    models.add_argument("does", choices=("list", "fetch", "verify"))
    models.add_argument("--json", action="store_true", help="print the list as JSON")

    render = commands.add_parser("render", help="write the chart's and the manifests' workflows "
                                 "from the DAG")  # fmt: skip
    render.add_argument("--check", action="store_true", help="write nothing; fail if they differ")
    render.add_argument("--profile", help="only this one, a shipped profile or a YAML file")
    render.add_argument("--chart", type=Path, help="the chart to write into (charts/palimpsest)")

    lint = commands.add_parser("lint", help="check workflows, charts, images and manifests")
    lint.add_argument("files", nargs="*", type=Path, help="files and folders, - for standard "
                      "input (default: the project's own)")  # fmt: skip
