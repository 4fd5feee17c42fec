"""podman and buildah without a daemon: a local base image, and the images built on it.

Works as root inside a container, where there is neither a bridge network nor a cgroup to delegate.
What the machine's package index needs (certificates, a mirror) is read from pip's own settings and
mounted for the build alone; nothing of it reaches an image.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Stands in for the official python image where no registry can be reached.
BASE = "localhost/palimpsest/python:3.11-bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-pip")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("podman", "buildah", "runc", "debootstrap", "catatonit")
CERTIFICATES = Path("/etc/ssl/certs")
SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""


def lacking() -> str:
    """Why containers cannot be run here; "" if they can."""
    tools = [tool for tool in TOOLS if not shutil.which(tool)]
    if tools:
        return f"this needs {', '.join(tools)}: install the Debian packages of these names"
    return "this makes a base image with debootstrap, which needs root" if os.geteuid() else ""


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def settings(folder: Path) -> dict[str, str]:
    """Write podman's settings into `folder`; the environment in which it finds them."""
    path = folder / "containers.conf"
    path.write_text(SETTINGS)
    return {"CONTAINERS_CONF": str(path)}


def podman(*args: str, stdin: str | None = None) -> str:
    """What podman printed; raises RuntimeError with what it said if it failed."""
    done = subprocess.run(["podman", *args], input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"podman {' '.join(args)}: {done.stderr.strip()}")
    return (done.stdout + done.stderr if args[0] == "logs" else done.stdout).strip()


def exists(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image]).returncode == 0


def base() -> None:
    """Make the base image from Debian's packages, once; it looks like the official one."""
    if exists(BASE):
        return
    print(f"making {BASE} (once, about a minute)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm",
             root], check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for name, target in (("python3", "/usr/bin/python3.11"), ("python", "python3")):
            (root / "usr/local/bin" / name).symlink_to(target)
        (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc",
                      "usr/share/man", "usr/share/locale"):  # fmt: skip
            shutil.rmtree(root / waste)
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        podman("import", "--change", f"ENV PATH={PATH}", "--change", "ENV LANG=C.UTF-8",
               str(archive), BASE)  # fmt: skip


def pip_settings() -> dict[str, str]:
    """pip's options on this machine, from its files and its environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = (re.fullmatch(r"(?:global|install|:env:)\.([\w-]+)=(.*)", line) for line in lines)
    return {match[1].lstrip("."): ast.literal_eval(match[2]) for match in found if match}


def mounts(folder: Path) -> list[str]:
    """buildah's volumes that let pip in a build do what pip does on this machine."""
    options = pip_settings()
    conf = folder / "pip.conf"
    values = (f"{key} = {' '.join(value.split())}" for key, value in options.items())
    conf.write_text("\n".join(["[global]", *values]) + "\n")
    volumes = [f"{conf}:/etc/pip.conf:ro"]
    words = (word.removeprefix("file://") for value in options.values() for word in value.split())
    places = {Path(word) for word in words if word.startswith("/")} | {CERTIFICATES}
    # an index refers to files beside it
    parents = {path.parent if path.name == "simple" else path for path in places if path.is_dir()}
    return volumes + [f"{path}:{path}:ro" for path in sorted(parents)]


def build(images: tuple[str, ...]) -> None:
    """`make images`, as a user would, on the local base."""
    base()
    with tempfile.TemporaryDirectory() as folder:
        volumes = (f"--volume {volume}" for volume in mounts(Path(folder)))
        command = "buildah bud --layers --isolation chroot --network host " + " ".join(volumes)
        subprocess.run(
            ["make", "--no-print-directory", "images", f"IMAGES={' '.join(images)}",
             f"BASE={BASE}", f"BUILD={command}"], cwd=ROOT, check=True,
        )  # fmt: skip
