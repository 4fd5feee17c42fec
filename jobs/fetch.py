"""Put one model's weights where the jobs look for them, unless they are there.

    python -m jobs.fetch --family sdxl --config /etc/palimpsest/config.yaml

The only jobs that may use the network are those that fetch. A folder appears whole, by one rename;
a broken download goes on where it stopped. Tiny weights are built, not fetched.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline import config
from pipeline.argo_pod import HUB_TOKEN
from pipeline.cards import Role, card
from pipeline.config import Config
from pipeline.errors import ConfigError, InputError, TransientError, guard
from pipeline.stage import Parser

#: What is read of a repository. Never code, never pickles.
PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def main(argv: list[str]) -> int:
    parser = Parser(prog="jobs.fetch", description="fetch a model's weights", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--family", help="a family of the config")
    which.add_argument("--vlm", help="the config's vlm")
    which.add_argument("--segmenter", help="the config's segmenter")
    parser.add_argument("--config", type=Path, required=True, help="the mounted config")
    args: argparse.Namespace = parser.parse_args(argv)
    chosen = config.read(args.config)
    known: dict[Role, tuple[str, str | None, list[str]]] = {
        "editors": ("family", args.family, list(chosen.families)),
        "vlms": ("vlm", args.vlm, [chosen.vlm]),
        "segmenters": ("segmenter", args.segmenter, [chosen.segmenter]),
    }
    for role, (key, name, names) in known.items():
        if name is None:
            continue
        if name not in names:
            raise ConfigError(f"--{key} {name}: the config has {', '.join(names)}")
        for folder in ensure(chosen, role, name):
            print(f"{name}: {folder}", flush=True)
    return 0


def ensure(chosen: Config, role: Role, name: str) -> list[Path]:
    """The folders of a model's weights, each made if it is missing."""
    root = Path(chosen.editing.folder).expanduser()
    facts = card(role, name)
    if chosen.editing.weights == "tiny":
        from jobs.tiny.cache import ensure as built

        return [built(name, root)] if facts.repos else []
    pairs = list(zip(facts.repos, facts.folders(root), strict=True))
    for repo, folder in pairs:
        if not folder.is_dir():
            download(repo, folder)
    return [folder for _, folder in pairs]


def download(repo: str, folder: Path) -> None:
    """Fetch the newest revision of a hub repository. Raises InputError where the hub wants another
    name, a licence accepted or a token, and TransientError where it does not answer."""
    if "/" not in repo:
        raise InputError(f"{repo} is on no hub: put its converted checkpoint into {folder}")
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    partial = folder.with_name(f".{folder.name}.partial")
    try:
        snapshot_download(repo, local_dir=partial, allow_patterns=PATTERNS, token=token())
    except GatedRepoError:
        raise InputError(f"{repo} is gated: accept its licence on the hub, and give the token of "
                         "that account in the secret palimpsest-hf-token") from None  # fmt: skip
    except RepositoryNotFoundError:
        raise InputError(f"{repo} is not on the hub, or not for this token: put its files into "
                         f"{folder}, or change the model's card") from None  # fmt: skip
    except (OSError, HTTPError) as error:  # an OSError without a number is the hub's
        if getattr(error, "errno", None) is not None:
            raise
        raise TransientError(f"{repo} could not be fetched ({_first_line(error)})") from None
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another pod was faster
            raise


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def token() -> str | bool:
    """The hub's token, from a mounted secret; False asks as nobody."""
    path = Path(HUB_TOKEN, "token")
    return path.read_text().strip() if path.is_file() else False


if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
