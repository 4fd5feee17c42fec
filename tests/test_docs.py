"""What the docs show holds: pods pass the linter, files exist, settings are the chart's."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.lint import main_lint
from tests.following import blocks

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "palimpsest"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_copying_pod_passes_the_linter(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "running-on-a-cluster.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)  # without a title
    (tmp_path / "pod.yaml").write_text(shown)
    assert main_lint([tmp_path / "pod.yaml"]) == 0
    (tmp_path / "pod.yaml").write_text(shown.replace("runAsNonRoot: true", "runAsNonRoot: false"))
    assert main_lint([tmp_path / "pod.yaml"]) == 78


def test_a_prometheus_without_an_operator_finds_what_the_chart_annotates(tmp_path: Path) -> None:
    page = ROOT / "docs" / "running-on-a-cluster.md"
    (job,) = yaml.safe_load(blocks(page)["scrape.yaml"])["scrape_configs"]
    assert job["kubernetes_sd_configs"][0]["role"] == "pod"
    kept = [rule for rule in job["relabel_configs"] if rule.get("action") == "keep"]
    annotation, port = (rule["source_labels"][0] for rule in kept)
    overlay = (CHART / "templates" / "_metrics.tpl").read_text()
    assert annotation == "__meta_kubernetes_pod_annotation_prometheus_io_scrape"
    assert f'prometheus.io/scrape: "{kept[0]["regex"]}"' in overlay
    assert port.endswith("container_port_name") and kept[1]["regex"] == "metrics"
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: install Debian's package prometheus")
    del job["kubernetes_sd_configs"]  # Debian's Prometheus is built without it
    text = yaml.safe_dump({"scrape_configs": [job]})
    for shown, code in ((text, 0), (text.replace("action: keep", "action: kept"), 1)):
        (tmp_path / "scrape.yaml").write_text(shown)
        done = subprocess.run([promtool, "check", "config", "--syntax-only",
                               tmp_path / "scrape.yaml"], capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_every_file_that_is_named_exists() -> None:
    for page in PAGES:
        named = re.findall(r"(?<![\w/])(?:manifests|charts)/[\w./-]*\w", page.read_text())
        assert all((ROOT / name).exists() for name in named), (page, named)


def test_every_setting_that_is_shown_is_the_charts() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = "".join(page.read_text() for page in PAGES)
    settings = re.findall(r"--set ([\w.-]+)=([\w.-]+)", text)
    assert len(settings) > 3
    for key, value in [*settings, ("storage.singleNode", "true"), ("models.offline", "true")]:
        jsonschema.validate(values(key, value), schema)
    with pytest.raises(jsonschema.ValidationError, match="'registy' was unexpected"):
        jsonschema.validate(values("images.registy", "registry.example.org"), schema)


def values(key: str, value: str) -> object:
    """The chart's values with one of them set, as `--set key=value` does."""
    found = yaml.safe_load((CHART / "values.yaml").read_text())
    *path, last = key.split(".")
    section = found
    for part in path:
        section = section.setdefault(part, {})
    section[last] = yaml.safe_load(value)
    return found
