"""The schema and the README are what `pipeline.schema` makes of the types and of values.yaml."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from yamllint import linter
from yamllint.config import YamlLintConfig

from pipeline import argo, config, dag, schema
from pipeline.cards import HOMES, card, known
from pipeline.errors import ConfigError
from pipeline.values import Digests, Values
from tests.charts.rendered import CHART, Doc, values

TEXT = (CHART / "values.yaml").read_text()


def test_nobody_forgot_to_render() -> None:
    for path, text in schema.rendered().items():
        assert path.read_text() == text, f"{path}: run `python -m pipeline.schema`"


def test_defaults_have_a_type_and_types_have_a_default() -> None:
    found = yaml.safe_load(TEXT)
    model = Values.model_validate(found)
    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == found
    full = model.model_dump(mode="json", by_alias=True)
    free = ("parameters", "digests", "resources")
    for section in ("images", "storage", "models", "pods", "gpu", "workflow", "networkPolicy",
                    "metrics"):  # fmt: skip
        assert full[section].keys() == found[section].keys(), section
        for key, inner in found[section].items():
            if isinstance(inner, dict) and inner and key not in free:
                assert full[section][key].keys() == inner.keys(), key


def test_the_schema_is_one_and_takes_the_value_sets() -> None:
    found = json.loads((CHART / "values.schema.json").read_text())
    Draft7Validator.check_schema(found)
    assert not list(Draft7Validator(found).iter_errors(yaml.safe_load(TEXT)))
    assert found["properties"]["storage"]["description"].startswith("The claims.")


def test_no_level_takes_an_unknown_key() -> None:
    """Every object with known properties refuses others; the parameters' are checked by name."""
    found = json.loads((CHART / "values.schema.json").read_text())
    sections = {"": found, **found["definitions"]}
    loose = [
        name
        for name, section in sections.items()
        if "properties" in section and section.get("additionalProperties") is not False
    ]
    assert loose == ["Parameters"]
    assert len(sections) > 25


def test_a_shipped_profile_may_be_said_again_but_for_what_shapes_it() -> None:
    found = json.loads((CHART / "values.schema.json").read_text())
    check = Draft7Validator({**found, "$ref": "#/definitions/Config"})
    whole = config.load("paper").model_dump(mode="json")
    sections = {"Config": whole, "Editing": whole["editing"], "Local": whole["local"],
                "Detector": whole["detectors"]["deeplabv3plus"]}  # fmt: skip
    whole["detectors"] = {"deeplabv3plus": sections["Detector"]}
    for name, keys in schema.KEPT.items():
        for key in sorted(keys):
            assert list(check.iter_errors(whole)), f"{key} is not refused"
            del sections[name][key]
    assert list(check.iter_errors(whole)) == []


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def others(value: Any) -> list[Any]:
    """Values that the key of `value` may have instead; some will not be valid."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return ["random", "centre", "paste", "full", "float16", "json", "x"]
    return [value + 8, value - 1, value / 2] if isinstance(value, int | float) else [4]


def changed(whole: Doc, path: tuple[str, ...], value: Any) -> config.Config | None:
    copy = json.loads(json.dumps(whole))
    functools.reduce(dict.__getitem__, path[:-1], copy)[path[-1]] = value
    try:
        return config.Config.model_validate(copy)
    except ValueError:
        return None


def test_what_a_site_may_set_shapes_no_workflow() -> None:
    found = json.loads((CHART / "values.schema.json").read_text())
    check = Draft7Validator({**found, "$ref": "#/definitions/Config"})
    before = config.load("one-family")
    whole = before.model_dump(mode="json")
    same = graph(before)
    shaping = {}
    for path, value in leaves(whole):
        for other in others(value):
            said = functools.reduce(lambda inner, key: {key: inner}, reversed(path), other)
            after = changed(whole, path, other)
            if after is not None and after != before and check.is_valid(said):
                shaping[".".join(path)] = graph(after) != same
                break
    assert [key for key, shapes in shaping.items() if shapes] == []
    assert {"seed", "bases.crops", "editing.batch", "regions.max_area", "keep_score",
            "detectors.deeplabv3plus.steps"} <= set(shaping)  # fmt: skip


def graph(chosen: config.Config) -> Doc:
    """The rendered workflow without its description."""
    found: Doc = argo.workflow_template(chosen, dag.dag(chosen))
    del found["metadata"]["annotations"]["workflows.argoproj.io/description"]
    return found


def test_digests_are_for_the_images_there_are() -> None:
    roles = [role for role in HOMES if role != "detectors"]
    images = {card(role, name).image for role in roles for name in known(role)}
    assert {"base", "train", *images} == set(Digests.model_fields)


def test_a_section_of_a_config_and_one_of_the_values_never_share_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = schema._overrides()
    found["definitions"]["Kueue"] = {"type": "object"}
    monkeypatch.setattr(schema, "_overrides", lambda: found)
    with pytest.raises(ConfigError, match="Kueue is a section of a config, too: rename it"):
        schema.values_schema(TEXT)


def test_a_key_without_a_comment_or_a_type_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"a\.b has no comment"):
        schema.entries("# An a.\na:\n  b: 1\n")
    with pytest.raises(ConfigError, match=r"storage\.dta has no type"):
        schema.values_schema("# The storage.\nstorage:\n  # Data.\n  dta: 1\n")
    with pytest.raises(ConfigError, match="no <!-- values --> markers"):
        schema.chart_readme(TEXT, "# palimpsest\n")


def test_the_readme_lists_every_key() -> None:
    readme = (CHART / "README.md").read_text()
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    keys = [".".join(entry.path) for entry in schema.entries(TEXT) if len(entry.path) > 1]
    assert all(any(row.startswith(f"| `{key}` |") for row in rows) for key in keys)
    assert '| `gpu.resourceName` | `"nvidia.com/gpu"` |' in readme
    assert values("mig")["gpu"]["resourceName"] in readme


@pytest.mark.parametrize("name", ["Chart.yaml", "values.yaml", "checkov.yaml", "ci"])
def test_style(name: str) -> None:
    rules = YamlLintConfig(file=str(Path(__file__).parent / "yamllint.yaml"))
    paths = sorted((CHART / name).glob("*")) if (CHART / name).is_dir() else [CHART / name]
    assert paths
    for path in paths:
        assert [str(fault) for fault in linter.run(path.read_text(), rules)] == [], path
