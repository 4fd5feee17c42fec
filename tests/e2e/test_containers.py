"""A workflow as real containers ends with the dataset of a run on this machine.

PALIMPSEST_SEED=... draws the same kills again.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import code
from tests.e2e import containers, engine
from tests.e2e.cluster import Failed
from tests.faults.counts import seed

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "tests" / "data" / "standin.yaml"
PHOTOS = {"photos": "/opt/palimpsest/tests/data/photos"}
WHY = engine.lacking()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base image, built anew from this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.settings(tmp_path_factory.mktemp("podman")).items():
            patch.setenv(name, value)
        engine.build(("base",))
    return f"palimpsest/base:{engine.version()}"


@pytest.fixture(autouse=True)
def podman_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in engine.settings(tmp_path).items():
        monkeypatch.setenv(name, value)


def inside(image: str, *command: str) -> str:
    return engine.podman("run", "--rm", "--network", "none", "--read-only", image, "python",
                         *command)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(WHY), reason=WHY or "-")
def test_the_image_holds_this_very_code_for_a_user_without_rights(image: str) -> None:
    assert inside(image, "-c", "from pipeline import code; print(code.digest())") == code.digest()
    assert inside(image, "-c", "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    held = inside(image, "-c", "import os; print(*sorted(os.listdir('.')))")
    assert held == "CREDITS.md LICENSE images jobs pipeline tests training"
    compiled = "import importlib.util as u, os; print(os.path.exists(u.cache_from_source('{}')))"
    assert inside(image, "-c", compiled.format("pipeline/loop.py")) == "True"
    assert inside(image, "-m", "pip", "check") == "No broken requirements found."


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(WHY), reason=WHY or "-")
def test_pods_of_which_three_are_killed_make_the_dataset_of_a_local_run(
    image: str, tmp_path: Path, said: Callable[[str], None]
) -> None:
    template, maps = containers.bare(PROFILE)
    outcome = containers.rehearse(template, maps, {"base"}, PHOTOS, seed(), kills=3)
    assert len(outcome.tally.kills) == 3
    assert outcome.digest == containers.local(str(PROFILE), tmp_path / "local")
    said(containers.summary(outcome, outcome.digest))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(WHY), reason=WHY or "-")
def test_a_pod_that_must_not_be_tried_again_is_not(
    image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    template, maps = containers.bare(PROFILE)
    with pytest.raises(Failed, match=r"begin: exit 78\n.*'No Such Id' cannot be a run id"):
        containers.rehearse(template, maps, {"base"}, PHOTOS | {"run-id": "No Such Id"}, 1, 0)
    said = capsys.readouterr().out
    assert "try 2" not in said
    name = said.partition(":")[0]
    assert name.startswith("e2e-")
    assert not engine.podman("pod", "ls", "--quiet", "--filter", f"name={name}")
    assert name not in engine.podman("volume", "ls", "--quiet")
