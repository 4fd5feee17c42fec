"""Put one model's weights where the jobs look for them, unless they are there.

    python -m jobs.fetch --family sdxl --config /etc/palimpsest/config.yaml

The only jobs that may use the network are those that fetch. A folder appears whole, by one rename,
after its lock (`pipeline.store`); a broken download goes on where it stopped. Tiny weights are
built, not fetched. `palimpsest models fetch` does the same for all models of a profile.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jobs.models_hub import download, there
from pipeline import config, events, store
from pipeline.cards import Role, needed
from pipeline.config import Config
from pipeline.errors import ConfigError, InputError, guard
from pipeline.stage import Parser
from pipeline.store import Lock


def main(argv: list[str]) -> int:
    parser = Parser(prog="jobs.fetch", description="fetch a model's weights", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--family", help="a family of the config, or one that replays another")
    which.add_argument("--vlm", help="the config's vlm")
    which.add_argument("--segmenter", help="the config's segmenter")
    which.add_argument("--detector", help="a detector of the config, for its encoder")
    parser.add_argument("--config", type=Path, required=True, help="the mounted config")
    args: argparse.Namespace = parser.parse_args(argv)
    chosen = config.read(args.config)
    known: dict[Role, tuple[str, str | None, list[str]]] = {
        "editors": ("family", args.family, [*chosen.families, *chosen.replays]),
        "vlms": ("vlm", args.vlm, [chosen.vlm]),
        "segmenters": ("segmenter", args.segmenter, [chosen.segmenter]),
        "detectors": ("detector", args.detector, list(chosen.detectors)),
    }
    for role, (key, name, names) in known.items():
        if name is None:
            continue
        if name not in names:
            raise ConfigError(f"--{key} {name}: the config has {', '.join(names)}")
        family = {"family": name} if role == "editors" else {}
        events.speak_for({"stage": f"fetch-{name}", **family}, chosen.local.logs)
        events.say("stage-started", "started: {weights} weights of {model} below {folder}",
                   model=name, weights=chosen.editing.weights,
                   folder=chosen.editing.folder)  # fmt: skip
        folders = ensure(chosen, role, name)
        size = sum(one.bytes for path in folders
                   for one in store.survey(path, hashed=False).files.values())  # fmt: skip
        events.say("stage-finished", "finished: {gigabytes:.2f} GB in {folders}",
                   gigabytes=round(size / 1e9, 3),
                   folders=", ".join(map(str, folders)) or "no folder")  # fmt: skip
    return 0


def ensure(chosen: Config, role: Role, name: str) -> list[Path]:
    """The folders of a model's weights, each made if it is missing and locked if it is not; an
    event says which of these was done."""
    root = Path(chosen.editing.folder).expanduser()
    facts = needed(chosen, role, name)
    if chosen.editing.weights == "tiny" and role != "detectors":
        return [_built(name, root)] if facts.repos else []
    pairs = list(zip(facts.repos, facts.folders(root), strict=True))
    for repo, folder in pairs:
        if not there(folder):
            download(repo, folder, facts.files)
            _said("weights-fetched", "fetched", folder)
        elif store.read(folder) is None:
            lock_as_it_is(folder)
            _said("weights-locked", "there already, now locked", folder)
        else:
            store.check(folder, store.survey(folder, hashed=False))
            _said("weights-there", "there already", folder)
    return [folder for _, folder in pairs]


def _built(name: str, root: Path) -> Path:
    """The folder of a model's tiny weights."""
    from jobs.tiny.cache import VERSION
    from jobs.tiny.cache import ensure as built

    was = (root / VERSION / name).is_dir()
    folder = built(name, root)
    _said("weights-there" if was else "weights-built", "there already" if was else "built", folder)
    return folder


def _said(event: str, what: str, folder: Path) -> None:
    events.say(event, f"{{folder}}: {what}", folder=str(folder))


def lock_as_it_is(folder: Path) -> None:
    """Lock weights that someone put there by hand."""
    found = store.survey(folder)
    if found.strange:
        name, why = min(found.strange.items())
        raise InputError(f"{folder / name} {why}: take it away, then fetch again")
    if not found.weights:
        raise InputError(f"{folder} holds no *{store.WEIGHTS}: put weights of that form there, or "
                         "move it away to have it fetched")  # fmt: skip
    store.write(folder, Lock(repo="", commit="", files=found.files))


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
