"""GPUs by the names that users and drivers give them."""

from __future__ import annotations

import pytest

from pipeline import devices
from pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "count", "name"),
    [
        ("8xH100", 8, "H100"), ("64xh200", 64, "H200"), ("H100", 1, "H100"),
        (" 4 x A100-40GB ", 4, "A100-40GB"), ("2x4090", 2, "RTX4090"), ("1xRTX 4090", 1, "RTX4090"),
        ("3xrtx_4090", 3, "RTX4090"), ("8xH100-PCIe", 8, "H100-PCIE"), ("16xV100", 16, "V100"),
    ],
)  # fmt: skip
def test_so_many_of_which(text: str, count: int, name: str) -> None:
    found = devices.parse(text)
    assert (found[0], found[1].name) == (count, name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8xH1000", "no GPU 'H1000': did you mean H100? known are B200, H200, "),
        ("8xabacus", "no GPU 'abacus': known are "), ("", "such as 8xH100"),
        ("0xH100", "such as 8xH100"), ("8x", "no GPU '8x'"),
        ("-1xH100", "no GPU '-1xH100'"),
    ],
)  # fmt: skip
def test_any_other_text_is_a_mistake_that_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        devices.parse(text)
    assert says in str(raised.value) and raised.value.code == 78


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"), ("NVIDIA H100 PCIe", "H100-PCIE"),
        ("NVIDIA H100 NVL", "H100-NVL"), ("NVIDIA H200", "H200"), ("NVIDIA B200", "B200"),
        ("NVIDIA A100-SXM4-80GB", "A100"), ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100"), ("NVIDIA L40S", "L40S"), ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"), ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla V100-SXM2-32GB", "V100-32GB"), ("Tesla T4", "T4"), ("NVIDIA A10", "A10"),
        ("NVIDIA RTX A6000", "A6000"), ("NVIDIA A40", "A40"), ("NVIDIA L40", "L40"),
    ],
)  # fmt: skip
def test_the_drivers_name_leads_to_the_same_row(driver: str, name: str) -> None:
    found = devices.known(driver)
    assert found is not None and found.name == name


@pytest.mark.parametrize(
    "driver", ["", "NVIDIA A10G", "NVIDIA GH200 480GB", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"]
)
def test_of_what_no_row_is_about_nothing_is_said(driver: str) -> None:
    assert devices.known(driver) is None


def test_work_takes_its_share_of_the_data_sheets_speed() -> None:
    """Flux at 50 steps on an H100: 10.8 s at 35 % of 989 TFLOP/s."""
    assert devices.find("H100").seconds(3.74) == pytest.approx(10.8, abs=0.05)
    assert devices.find("H100").seconds(3.74, "float32") > 100


def test_every_row_has_sane_figures_and_a_name_that_finds_it() -> None:
    assert len({gpu.name for gpu in devices.GPUS}) == len(devices.GPUS)
    for gpu in devices.GPUS:
        assert devices.find(gpu.name) is gpu
        assert 50 < gpu.half < 5000 and 5 < gpu.single < gpu.half and 8 <= gpu.gib < 300
