"""`palimpsest render`: write down all that follows from the DAG, or say what differs from it.

Into the chart: a WorkflowTemplate and a config for each profile, the schema of its values, its
README's tables. Beside it: manifests for kubectl, and the picture in the docs. Rendering twice
gives the same bytes.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline import argo, argo_draw, config, disk, manifests
from pipeline.code import ROOT
from pipeline.config import PROFILES, Config
from pipeline.dag import checked
from pipeline.errors import BUG, OK, ConfigError

CHART = Path("charts/palimpsest")
MANIFESTS = Path("manifests")
#: The page with the picture, and the profile that it shows.
PICTURE, SHOWN = Path("docs/workflow.md"), "paper"
BLOCK = re.compile(r"(<!-- picture -->\n```mermaid\n).*?(```\n<!-- /picture -->)", re.S)
#: A profile's name is part of object names.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


def main_render(check: bool, profile: str | None = None, chart: Path | None = None) -> int:
    """Write, or with `check` only compare: then 1 if anything differs. With `profile` only that
    one's two files in `chart`; without, everything in the repository."""
    folder = chart or ROOT / CHART
    wanted = everything(folder) if profile is None else own(profile, folder)
    changed = [path for path, text in wanted.items() if _differs(path, text)]
    extra = [path for path in _generated_folders(folder, profile) if path not in wanted]
    for path in [*changed, *extra]:
        print(f"{'differs' if check else 'wrote' if path in wanted else 'removed'}: {path}")
    if check and (changed or extra):
        print("palimpsest: rendered files differ from the DAG: run `palimpsest render` and commit "
              "the result", file=sys.stderr)  # fmt: skip
        return BUG
    if not check:
        for path in changed:
            disk.replace(path, wanted[path].encode())
        for path in extra:
            path.unlink()
    if not (changed or extra):
        print(f"{len(wanted)} files are as the DAG has them")
    return OK


def own(profile: str, chart: Path) -> dict[Path, str]:
    """The files of one profile, the user's own perhaps, in a chart. A ConfigError if its name will
    not do or belongs to a shipped profile that this is not."""
    if not (chart / "Chart.yaml").is_file():
        raise ConfigError(f"{chart} is no chart (it has no Chart.yaml): give one with --chart")
    chosen = config.load(profile)
    shipped = PROFILES / f"{chosen.profile}.yaml"
    if shipped.is_file() and config.read(shipped) != chosen:
        raise ConfigError(f"{profile}: profile: {chosen.profile!r} is the name of a profile that "
                          "comes with the program: choose another")  # fmt: skip
    return in_chart(chosen, chart)


def in_chart(chosen: Config, chart: Path) -> dict[Path, str]:
    name = chosen.profile
    if not NAME.fullmatch(name):
        raise ConfigError(f"profile: {name!r} cannot be part of a Kubernetes name: give 1 to 32 of "
                          "a-z, 0-9 and '-', beginning and ending with a letter or a digit"
                          )  # fmt: skip
    text = argo.HEAD + argo.mounted(chosen).to_yaml()
    return {
        chart / "files" / "workflows" / f"{name}.yaml": argo.rendered(chosen, checked(chosen)),
        chart / "files" / "config" / f"{name}.yaml": text,
    }


def everything(chart: Path) -> dict[Path, str]:
    """All generated files of the repository that `chart` lies in, by path."""
    from pipeline import schema

    files: dict[Path, str] = {}
    for path in sorted(PROFILES.glob("*.yaml")):
        files |= in_chart(config.read(path), chart)
    files |= schema.rendered(chart)
    root = chart.parent.parent
    with tempfile.TemporaryDirectory() as scratch:
        fresh = _with(files, chart, Path(scratch, chart.name))
        files |= {root / MANIFESTS / name: text
                  for name, text in manifests.generated(fresh).items()}  # fmt: skip
    page = root / PICTURE
    shown = config.load(SHOWN)
    mermaid = argo_draw.as_mermaid(argo.workflow_template(shown, checked(shown)))
    return files | {page: drawn(page.read_text(), mermaid)}


def _with(files: dict[Path, str], chart: Path, copy: Path) -> Path:
    """A copy of the chart in which `files` stand as they should."""
    shutil.copytree(chart, copy)
    for path, text in files.items():
        target = copy / path.relative_to(chart)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return copy


def drawn(text: str, mermaid: str) -> str:
    """A page with the picture between its markers."""
    if not BLOCK.search(text):
        raise ConfigError(f"{PICTURE} has no <!-- picture --> markers around a mermaid block")
    return BLOCK.sub(lambda match: f"{match[1]}{mermaid}\n{match[2]}", text)


def _generated_folders(chart: Path, profile: str | None) -> list[Path]:
    """Files in folders in which nothing lies but what is generated."""
    folder = chart.parent.parent / MANIFESTS
    return [] if profile else sorted(path for path in folder.rglob("*") if path.is_file())


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()
