"""checkov, where there is one: on PATH, or named by $PALIMPSEST_CHECKOV."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts import scan
from tests.charts.rendered import CHART

CHECKOV = os.environ.get("PALIMPSEST_CHECKOV") or shutil.which("checkov")
CONFIG = CHART / "checkov.yaml"


def checkov(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHECKOV), "--config-file", CONFIG, "--directory", folder],
        capture_output=True, text=True, env={**os.environ, "BC_SKIP_MAPPING": "TRUE"}, timeout=110,
    )  # fmt: skip


def test_the_scan_sees_every_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main([str(tmp_path)]) == 0
    found = list(yaml.safe_load_all((tmp_path / "all.yaml").read_text()))
    assert f"{len(found)} objects" in capsys.readouterr().out
    names = [doc["metadata"]["name"] for doc in found]
    assert len(set(names)) > 100
    for name in ("palimpsest-doctor", "palimpsest-paper-edit-3-flux", "palimpsest-demo-begin",
                 "palimpsest-paper-train-deeplabv3plus-binary"):  # fmt: skip
        assert name in names


@pytest.mark.slow
@pytest.mark.skipif(
    CHECKOV is None,
    reason="no checkov: install it in a venv of its own, then PALIMPSEST_CHECKOV=VENV/bin/checkov",
)
def test_nothing_is_found_and_a_fault_is(tmp_path: Path) -> None:
    scan.main([str(tmp_path)])
    done = checkov(tmp_path)
    assert done.returncode == 0, done.stdout
    text = (tmp_path / "all.yaml").read_text()
    (tmp_path / "all.yaml").write_text(text.replace("readOnlyRootFilesystem: true", ""))
    spoilt = checkov(tmp_path)
    assert spoilt.returncode == 1 and "CKV_K8S_22" in spoilt.stdout
