"""`palimpsest plan`: what is printed, and what cannot be planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import cli, devices, plan, plan_text
from pipeline.config import Config, Prices
from pipeline.errors import ConfigError, InputError
from pipeline.plan import Plan

ROOT = Path(__file__).parents[2]
H100 = devices.find("H100")
HOUR = 3600


def test_the_page_fits_its_width_and_says_what_it_rests_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = ["plan", "--profile", "paper", "--images", "30000", "--gpus", "8xH100"]
    assert cli.main(args) == 0
    said = capsys.readouterr().out
    assert said.startswith("paper: 60,000 samples of which about 30,000 pass; on 8 x H100\n")
    assert max(map(len, said.splitlines())) <= 100
    assert "Reckoned, not measured: 35% of the data sheet's 989 TFLOP/s" in said
    assert "--entrypoint paint" in said and "--entrypoint finish -p partitions=7" in said
    assert "samples:" not in said, "the profile has as many already"
    assert "Disk: 294 GiB" in said


def test_another_number_of_pictures_is_another_key_of_the_profile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.main(["plan", "--profile", "paper", "--images", "1000", "--gpus", "4xA100"])
    said = capsys.readouterr().out
    assert "samples: 2000  # in the profile" in said and "on 4 x A100" in said


def test_as_json_it_has_the_same_figures(capsys: pytest.CaptureFixture[str], eight: Plan) -> None:
    cli.main(["plan", "--profile", "paper", "--images", "30000", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["samples"] == 60_000 and said["device"] == "H100"
    assert said["submit"]["makespan_seconds"] == round(eight.best.makespan, 1)
    assert set(said["painting"]) == {"submittable", "any_number_of_nodes", "one_pod_a_family"}
    assert sum(row["device_seconds"] for row in said["models"]) == pytest.approx(
        said["submit"]["device_seconds"], rel=1e-3
    )
    assert {one["stage"] for one in said["stages"]} == {w.stage.name for w in eight.works}


def test_prices_make_a_column(paper: Config) -> None:
    priced = paper.model_copy(update={"prices": Prices(gpu_hour=2.0, currency="EUR")})
    found = plan.made(priced, None, 8, H100)
    last = next(line for line in plan_text.text(found).splitlines() if line.startswith("all "))
    assert last.endswith(f"{found.best.work / HOUR * 2:,.2f} EUR")


def test_a_profile_without_gpus_is_planned_in_cpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--profile", "demo"]) == 0
    said = capsys.readouterr().out
    assert "CPUs (no stage holds a GPU)" in said and "palimpsest run --profile demo" in said
    assert "CPU time" in said and "argo" not in said


def test_an_imported_dataset_is_kept_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--profile", str(ROOT / "jobs" / "diffseg30k.yaml"), "--images", "30000"]
    assert cli.main(["plan", *given]) == 0
    said = capsys.readouterr().out
    assert said.startswith("diffseg30k: 30,000 samples; on 8 x H100\n")
    assert "palimpsest import diffseg30k PATH" in said and "argo" not in said
    assert "train deeplabv3plus" in said and "painting" not in said


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--gpus", "8xL4"], "L4 has 24 GiB of memory, too little for flux (40 GiB), qwen25vl"),
        (["--gpus", "1xA100"], "train-dinov2-binary wants 2 GPUs at once, there are 1"),
        (["--gpus", "8xK100"], "no GPU 'K100'"),
        (["--images", "0"], "--images 0: give how many"),
        (["--images", "99999999"], "keys have eight digits"),
        (["--like", "/nowhere"], "/nowhere is not a run"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_says_why(args: list[str], says: str) -> None:
    with pytest.raises((ConfigError, InputError)) as raised:
        cli.main(["plan", "--profile", "paper", *args])
    assert says in str(raised.value) and raised.value.code == 78


def test_the_documented_pages_are_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "planning.md").read_text()
    for gpus in (8, 64):
        cli.main(["plan", "--profile", "paper", "--images", "30000", "--gpus", f"{gpus}xH100"])
        printed = capsys.readouterr().out
        assert f"--gpus {gpus}xH100\n```\n\n```text\n{printed}```\n" in page
