"""A release fits into the Secret in which Helm keeps it."""

import base64
import gzip
import json
from pathlib import Path

import pytest
import yaml

from tests.charts.rendered import CHART, NAMES, NAMESPACE, chart, values

#: What Kubernetes takes as the data of one Secret.
LIMIT = 1024 * 1024


def kept(name: str) -> int:
    """Bytes of a release: the chart, its values and what was rendered, as Helm's storage has them:
    JSON, files in base64, gzip, base64."""
    left_out = {"ci", "checkov.yaml", ".helmignore"}
    files = [path for path in sorted(CHART.rglob("*")) if path.is_file()
             and path.relative_to(CHART).parts[0] not in left_out]  # fmt: skip
    texts = {str(path.relative_to(CHART)): path.read_bytes() for path in files}
    rendered = chart().render(values(name), name="palimpsest", namespace=NAMESPACE)
    about = ("Chart.yaml", "values.yaml", "values.schema.json")
    held = [{"name": path, "data": base64.b64encode(text).decode()}
            for path, text in texts.items() if path not in about]  # fmt: skip
    whole = {
        "name": "palimpsest",
        "chart": {
            "metadata": yaml.safe_load(texts["Chart.yaml"]),
            "values": yaml.safe_load(texts["values.yaml"]),
            "schema": base64.b64encode(texts["values.schema.json"]).decode(),
            "templates": [one for one in held if Path(one["name"]).parts[0] == "templates"],
            "files": [one for one in held if Path(one["name"]).parts[0] != "templates"],
        },
        "config": values(name),
        "manifest": "".join(rendered.values()),
        "namespace": NAMESPACE,
    }
    return len(base64.b64encode(gzip.compress(json.dumps(whole).encode(), 9)))


@pytest.mark.parametrize("name", NAMES)
def test_a_release_fits_into_its_secret(name: str) -> None:
    assert 50_000 < kept(name) < LIMIT * 0.8
