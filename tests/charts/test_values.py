"""A value that is wrong stops the installation with a sentence that names it."""

from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendered import render

Doc = dict[str, Any]
LONG = "a" * 64
DIGEST = f"sha256:{LONG}"


@pytest.mark.parametrize(
    ("given", "where", "key"),
    [
        ({"imags": {}}, "''", "imags"),
        ({"gpu": {"resourcNam": "x"}}, "/gpu", "resourcNam"),
        ({"storage": {"data": {"exstingClaim": "x"}}}, "/storage/data", "exstingClaim"),
        ({"images": {"digests": {"bsae": DIGEST}}}, "/images/digests", "bsae"),
        ({"pods": {"tolerations": [{"kee": "x"}]}}, "/pods/tolerations/0", "kee"),
        ({"networkPolicy": {"fetch": {"prots": [1]}}}, "/networkPolicy/fetch", "prots"),
        ({"networkPolicy": {"dns": [{"podSelektor": {}}]}}, "/networkPolicy/dns/0", "podSelektor"),
        ({"rbac": {"submitters": [{"kind": "Group", "name": "x", "nam": 1}]}},
         "/rbac/submitters/0", "nam"),
        ({"families": {"flux": {"resource": {}}}}, "/families/flux", "resource"),
        ({"families": {"flux": {"resources": {"limit": {}}}}}, "/families/flux/resources", "limit"),
        ({"config": {"paper": {"sampels": 1}}}, "/config/paper", "sampels"),
        ({"config": {"paper": {"editing": {"stepz": 1}}}}, "/config/paper/editing", "stepz"),
        ({"config": {"paper": {"detectors": {"deeplabv3plus": {"stepz": 1}}}}},
         "/config/paper/detectors/deeplabv3plus", "stepz"),
        ({"metrics": {"podMonitor": {"intervall": "15s"}}}, "/metrics/podMonitor", "intervall"),
        ({"metrics": {"exporter": {"resources": {"limit": {}}}}}, "/metrics/exporter/resources",
         "limit"),
        ({"config": {"paper": {"metrics": {"linger": 1}}}}, "/config/paper/metrics", "linger"),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named(given: Doc, where: str, key: str) -> None:
    with pytest.raises(HelmError, match=f"{where}.*additional properties '{key}' not allowed"):
        render(given)


@pytest.mark.parametrize(
    "key", ["profile", "photos", "families", "turns", "vlm", "segmenter", "imported", "reals",
            "protocols", "holdouts", "replays"]
)  # fmt: skip
def test_what_shapes_the_graph_is_no_value(key: str) -> None:
    with pytest.raises(HelmError, match=f"/config/paper': additional properties '{key}'"):
        render({"config": {"paper": {key: "x"}}})


@pytest.mark.parametrize("section", ["editing", "detectors", "local"])
def test_nor_is_it_in_a_section(section: str) -> None:
    keys = {"editing": ["weights", "folder", "device"],
            "detectors": ["tasks", "processes", "device", "pretrained", "recipe", "encoder"],
            "local": ["partitions", "workers", "retries"]}[section]  # fmt: skip
    for key in keys:
        inner: Doc = {"d": {key: "x"}} if section == "detectors" else {key: "x"}
        with pytest.raises(HelmError, match=f"/config/paper/{section}.*properties '{key}'"):
            render({"config": {"paper": {section: inner}}})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"workflow": {"parameters": {"run-id": "my run"}}}, "/workflow/parameters/run-id"),
        ({"workflow": {"parameters": {"run-id": "{{x}}"}}}, "/workflow/parameters/run-id"),
        ({"workflow": {"parameters": {"partitions": 0}}}, "/workflow/parameters/partitions"),
        ({"workflow": {"parameters": {"photos": "../x"}}}, "/workflow/parameters/photos"),
        ({"images": {"registry": "https://example.org"}}, "/images/registry"),
        ({"images": {"digests": {"base": "sha256:1"}}}, "/images/digests/base"),
        ({"pods": {"userId": 0}}, "/pods/userId': minimum: got 0, want 1"),
        ({"pods": {"shmSize": "8GB"}}, "/pods/shmSize"),
        ({"config": {"paper": {"seed": 2**60}}}, "/config/paper/seed': maximum"),
        ({"config": {"paper": {"val_share": 1}}}, "/config/paper/val_share"),
        ({"config": {"paper": {"bases": {"ai_share": 0}}}}, "/config/paper/bases/ai_share"),
        ({"gpu": None}, "missing property 'gpu'"),
        ({"metrics": {"podMonitor": {"interval": "301s"}}}, "/metrics/podMonitor/interval"),
        ({"metrics": {"podMonitor": {"interval": "15"}}}, "/metrics/podMonitor/interval"),
        ({"metrics": {"operator": "yes"}}, "/metrics/operator"),
        ({"config": {"paper": {"prices": {"currency": "dollar"}}}}, "/config/paper/prices"),
    ],
)
def test_a_value_of_the_wrong_kind(given: Doc, says: str) -> None:
    with pytest.raises(HelmError, match=says):
        render(given)


ONE = {"accessModes": ["ReadWriteOnce"]}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"profiles": ["dmo"]}, r"profiles: there is no profile dmo .* known are demo, "),
        ({"workflow": {"parameters": {"partition": 4}}},
         r"workflow.parameters.partition is not a parameter of the profile demo: known are run-id"),
        ({"families": {"sdxxl": {}}}, r"families.sdxxl: no installed profile .* they have .*sdxl"),
        ({"profiles": ["one-family"], "families": {"flux": {}}},
         r"families.flux: no installed profile has this family: they have sdxl$"),
        ({"config": {"papr": {}}}, r"config.papr: no such profile is installed: they are demo"),
        ({"config": {"paper": {"detectors": {"unet": {}}}}},
         r"config.paper.detectors.unet: .* it has cnnspot, deeplabv3plus"),
        ({"storage": {"data": ONE}}, r"storage.data.accessModes: it lacks ReadWriteMany, but pods "
         r"on many nodes .* or set storage.singleNode"),
        ({"storage": {"models": ONE}}, r"storage.models.accessModes: it lacks ReadWriteMany"),
        ({"gpu": {"resourceName": "gpu"}}, r"gpu.resourceName: gpu is not the name of an extended"),
        ({"gpu": {"resourceName": "nvidia/gpu"}}, r"gpu.resourceName: nvidia/gpu is not the name"),
        ({"families": {"flux": {"gpuResourceName": "mig"}}},
         r"families.flux.gpuResourceName: mig is not the name of an extended resource"),
        ({"images": {"requireDigests": True, "digests": {"base": DIGEST, "editor": DIGEST}}},
         r"the image palimpsest/train:0.1.0 has no digest: give it in images.digests"),
        ({"metrics": {"operator": True}, "config": {"demo": {"metrics": {"linger_seconds": 5}}}},
         r"config.demo.metrics.linger_seconds: 5 is less than metrics.podMonitor.interval 15s, so "
         r"that a pod's last figures are lost: give 15 or more, or 0 to wait for nothing"),
        ({"serviceAccounts": {"create": False}}, r"serviceAccounts.\w+: give the name of an"),
    ],
)  # fmt: skip
def test_what_only_the_templates_can_know(given: Doc, says: str) -> None:
    with pytest.raises(HelmError, match=f"(?m){says}"):
        render(given)


def test_an_umbrella_may_set_global() -> None:
    assert render({"global": {"anything": {"at": "all"}}})
