"""The DAG is checked before anything runs, and its picture is the README's."""

import dataclasses
from pathlib import Path

import pytest

from pipeline import config, dag, draw, picture, records
from pipeline.config import Config
from pipeline.errors import ConfigError, guard
from pipeline.stage import Stage, context

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", ["demo", "paper"])
def test_shipped_profiles_pass_every_check(name: str) -> None:
    stages = dag.checked(config.load(name))
    names = [stage.name for stage in stages]
    assert names[0] == "ingest" and names[-1] == "report"
    assert sum(name.startswith("edit-") for name in names) == 3 * 8


def change(stages: tuple[Stage, ...], which: str, **what: object) -> tuple[Stage, ...]:
    return tuple(
        dataclasses.replace(stage, **what) if stage.name == which else stage  # type: ignore[arg-type]
        for stage in stages
    )


@pytest.mark.parametrize(
    ("name", "what", "says"),
    [
        ("plan", {"module": "jobs.plann"}, "stage plan: no module jobs.plann"),
        ("plan", {"image": "nope"}, "stage plan: no folder images/nope"),
        ("plan", {"reads": ("ingest", "sgment")}, "plan reads sgment, which no stage writes"),
        ("plan", {"reads": ("ingest",)}, "plan needs the field regions: Regions"),
        ("plan", {"takes": records.ToEdit}, "plan needs the field image: Photo|the field plan"),
        ("plan", {"reads": ("ingest", "segment", "score")}, "cycle: .*plan"),
        ("segment", {"gives": records.Planned}, "needs the field masks: Masks|regions: Regions"),
        ("plan", {"name": "score"}, "two stages bear the name score"),
    ],
)
def test_a_wrong_dag_is_refused(
    standin: Config, name: str, what: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        dag.check(change(dag.dag(standin), name, **what))


def test_a_field_of_another_type_does_not_count(standin: Config) -> None:
    @dataclasses.dataclass
    class Wrong:
        masks: "LabelMap"  # type: ignore[name-defined]  # noqa: F821
        regions: "Regions"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="masks: Masks"):
        dag.check(change(dag.dag(standin), "segment", gives=Wrong))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"families": {"sdlx": 1}}, r"families: no editor 'sdlx': did you mean 'sdxl'\? known are "
         r"clone, .*, sdxl, sdxl_lora \(a new one would be the module jobs.editors.sdlx\)"),
        ({"families": {"qqq": 1}}, r"families: no editor 'qqq': known are clone, "),
        ({"families": {"weights": 1}}, "families: no editor 'weights'"),
        ({"families": {"": 1}}, "families: no editor ''"),
        ({"families": {"sd2.x": 1}}, "families: no editor 'sd2.x'"),
        ({"families": {"__init__": 1}}, "families: no editor '__init__'"),
        ({"vlm": "rulez"}, r"vlm: no vlm 'rulez': did you mean 'rules'\?"),
        ({"segmenter": "sam"}, "segmenter: no segmenter 'sam': .*known are classical"),
    ],
)  # fmt: skip
def test_an_unknown_model_says_which_there_are(
    standin: Config, wrong: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{says}"):
        dag.checked(standin.model_copy(update=wrong))


def test_without_ai_bases_nobody_generates(standin: Config) -> None:
    real = standin.model_copy(update={"bases": standin.bases.model_copy(update={"ai_share": 0.0})})
    assert not [s.name for s in dag.checked(real) if s.name.startswith("generate")]


def test_partitions_cover_every_shard_once(standin: Config) -> None:
    stage = dag.dag(standin)[0]
    for parts in range(1, 6):
        covered = [i for k in range(parts) for i in stage.shards(standin, (k, parts))]
        assert covered == list(range(standin.shards))


def test_a_process_finds_its_stage_by_its_arguments(standin: Config, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(standin.to_yaml())
    for stage in dag.dag(standin):
        found = context(stage.module, stage.argv(tmp_path, (0, 1)))
        assert found.stage == stage
    with pytest.raises(ConfigError, match="no stage jobs.edit --family flux --turn 1"):
        context("jobs.edit", ["--family", "flux", "--turn", "1", "--run", str(tmp_path)])
    with pytest.raises(ConfigError, match="expected k/n"):
        context("jobs.plan", ["--partition", "1", "--run", str(tmp_path)])
    with pytest.raises(ConfigError, match="below n"):
        context("jobs.plan", ["--partition", "2/2", "--run", str(tmp_path)])


@pytest.mark.parametrize("run", [["--run", "RUN"], ["--run=RUN"]])
def test_a_run_may_be_given_either_way(
    standin: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: list[str]
) -> None:
    (tmp_path / "RUN").mkdir()
    (tmp_path / "RUN" / "config.yaml").write_text(standin.to_yaml())
    monkeypatch.chdir(tmp_path)
    assert context("jobs.prompt", [*run, "--turn", "2"]).stage.name == "prompt-2"


def test_a_folder_may_begin_with_a_dash(
    standin: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "-run").mkdir()
    (tmp_path / "-run" / "config.yaml").write_text(standin.to_yaml())
    monkeypatch.chdir(tmp_path)
    stage = dag.dag(standin)[0]
    assert context(stage.module, stage.argv(Path("-run"))).run.path == Path("-run")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "jobs.plan: the following arguments are required: --run"),
        (["--run"], "jobs.plan: argument --run: expected one argument"),
        (["--run", "x", "--turn", "one"], "jobs.plan: argument --turn: invalid int value: 'one'"),
        (["--run", "x", "--tern", "1"], "jobs.plan: unrecognized arguments: --tern 1"),
        (["--run", "x", "--part", "0/1"], "jobs.plan: unrecognized arguments: --part 0/1"),
        (["--run", "x", "extra"], "jobs.plan: unrecognized arguments: extra"),
    ],
)
def test_wrong_arguments_of_a_stage_end_as_permanent(
    argv: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from jobs.plan import main

    assert guard(main, argv) == 78
    said = capfd.readouterr().err
    assert said.startswith(f"palimpsest: {says}") and said.count("\n") == 1


def test_the_readmes_picture_is_the_dag() -> None:
    text = README.read_text()
    assert picture.drawn(text) == text, "run `make picture`"


def test_the_text_names_every_stage(standin: Config) -> None:
    text = draw.as_text(dag.dag(standin), standin)
    assert all(f"  {stage.name} " in text for stage in dag.dag(standin))


def reads(text: str, stage: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"  {stage} ")).split("<- ")[
        1
    ]


def test_the_text_shortens_only_what_is_read_whole(standin: Config) -> None:
    section = {"detectors": {"deeplabv3plus": config.Detector()}}
    text = draw.as_text(dag.dag(chosen := standin.model_copy(update=section)), chosen)
    assert reads(text, "train-deeplabv3plus-binary") == "assemble-train, index"
    assert reads(text, "report").startswith("assemble-*, index, evaluate-")
    edits = ", ".join(f"edit-{turn}-*" for turn in (1, 2, 3))
    assert reads(text, "score") == f"ingest, generate-*, propose, segment, plan, {edits}"


def test_a_group_of_one_keeps_its_name(standin: Config) -> None:
    chosen = standin.model_copy(update={"families": {"clone": 1}})
    assert reads(draw.as_text(dag.dag(chosen), chosen), "prompt-2").endswith("plan, edit-1-clone")
    assert '["edit-1-clone"]' in draw.as_mermaid(dag.dag(chosen))


def test_the_picture_keeps_only_direct_edges(standin: Config) -> None:
    lines = draw.as_mermaid(dag.dag(standin)).splitlines()
    ids = {
        line.split('["')[1].split('"')[0]: line.split("[")[0].strip()
        for line in lines
        if '["' in line
    }
    assert f"    {ids['plan']} --> {ids['prompt-1']}" in lines
    assert f"    {ids['ingest']} --> {ids['plan']}" not in lines, "it follows through segment"
