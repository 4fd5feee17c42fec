"""A rehearsal of a cluster: the workflow that the chart renders, run as real containers.

    make e2e-containers        # the demo, all images; ends 1 unless the dataset is the local run's

Builds the images, expands the workflow to pods, runs them in DAG order with the rights, the
read-only root and the volumes that they have on a cluster, kills three of them, and compares the
digest of the dataset with that of `palimpsest run` on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline import argo, pods
from pipeline.audit import dataset_digest
from pipeline.config import load
from pipeline.dag import checked
from pipeline.pods import Node
from pipeline.sections import Metrics
from pipeline.shards import RunFolder
from tests.e2e import engine, kubelet
from tests.e2e.cluster import Cluster, Tally, image
from tests.e2e.kubelet import Site

Doc = dict[str, Any]
CHART = engine.ROOT / "charts" / "palimpsest"
IMAGES = ("base", "torch", "editor", "train")
USER = 10001
#: Nobody scrapes these pods: they need not stay for it.
HASTE = {"linger_seconds": 0.0}


@dataclass(frozen=True)
class Outcome:
    """What a rehearsal came to; `audit` is what the workflow's last pods printed."""

    digest: str
    tally: Tally
    audit: str
    seconds: float


def charted(profile: str) -> tuple[Doc, dict[str, Doc]]:
    """The chart's WorkflowTemplate of a profile, and its config maps by name."""
    from helm_python import Chart

    values = {"config": {profile: {"metrics": HASTE}}}
    rendered = Chart.load(str(CHART)).render(values, name="palimpsest", namespace="default")
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    documents = [one for text in texts for one in yaml.safe_load_all(text) if one]
    maps = {one["metadata"]["name"]: one for one in documents if one["kind"] == "ConfigMap"}
    (template,) = (
        one
        for one in documents
        if one["kind"] == "WorkflowTemplate" and one["metadata"]["name"] == f"palimpsest-{profile}"
    )
    return template, maps


def bare(profile: Path) -> tuple[Doc, dict[str, Doc]]:
    """The same for a profile that the chart does not hold."""
    config = load(str(profile)).model_copy(update={"metrics": Metrics(**HASTE)})
    template = argo.workflow_template(config, checked(config))
    name = f"palimpsest-config-{config.profile}"
    data = {"config.yaml": argo.mounted(config).to_yaml()}
    return template, {name: {"apiVersion": "v1", "kind": "ConfigMap", "data": data}}


def runnable(nodes: tuple[Node, ...], images: Collection[str]) -> tuple[Node, ...]:
    """The nodes of which, and of all of whose needs, the image is there."""
    kept: dict[str, Node] = {}
    for node in nodes:
        if image(node) in images and set(node.needs) <= set(kept):
            kept[node.name] = node
    return tuple(kept.values())


def rehearse(
    template: Doc, maps: dict[str, Doc], images: Collection[str], parameters: dict[str, str],
    seed: int, kills: int,
) -> Outcome:  # fmt: skip
    """Run a workflow as containers, on volumes of its own that are removed in the end."""
    begun = time.monotonic()
    name = f"e2e-{random.SystemRandom().randrange(1 << 24):06x}"
    used = {one["name"]: one["persistentVolumeClaim"]["claimName"]
            for one in template["spec"]["volumes"] if "persistentVolumeClaim" in one}  # fmt: skip
    site = Site(name, maps, {claim: f"{name}-{volume}" for volume, claim in used.items()})
    nodes = pods.expand(template, parameters, workflow=name)
    chosen = runnable(nodes, images)
    run = {p["name"]: p["value"] for p in template["spec"]["arguments"]["parameters"]} | parameters
    print(f"{name}: {len(chosen)} of {len(nodes)} nodes, kills drawn from seed {seed}", flush=True)
    for claim in site.claims.values():
        kubelet.volume(claim, USER)
    try:
        tally = Cluster(site, seed, kills).run(chosen)
        folder = engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}",
                               site.claims[used["data"]])  # fmt: skip
        path = Path(folder) / "runs" / run["run-id"]
        audit = "\n".join(tally.logs[one.name] for one in chosen if one.template == "audit")
        return Outcome(digest(path), tally, audit, time.monotonic() - begun)
    finally:
        engine.podman("volume", "rm", "--force", *site.claims.values())


def digest(run: Path) -> str:
    """The digest of a run's dataset: what was indexed, which must be what the shards say."""
    found = dataset_digest(RunFolder(run), load(str(run / "config.yaml")))[0]
    index = run / "dataset" / "index.json"
    if index.exists() and json.loads(index.read_bytes())["digest"] != found:
        raise RuntimeError(f"{index} names another digest than the shards have")
    return found


def local(profile: str, out: Path) -> str:
    """The digest of the same run on this machine."""
    command = [sys.executable, "-m", "pipeline.cli", "run", "--profile", profile, "--out", str(out)]
    subprocess.run(command, check=True, cwd=engine.ROOT)
    return digest(out)


def summary(outcome: Outcome, expected: str) -> str:
    lines = [f"{'image':<8}{'size':>10}{'containers':>12}{'seconds':>10}"]
    for name, attempts in sorted(outcome.tally.attempts.items()):
        full = f"palimpsest/{name}:{engine.version()}"
        size = int(engine.podman("image", "inspect", "--format", "{{.Size}}", full)) / 1e6
        lines.append(f"{name:<8}{size:>7.0f} MB{attempts:>12}"
                     f"{outcome.tally.seconds[name]:>10.0f}")  # fmt: skip
    same = "the same" if outcome.digest == expected else "NOT THE SAME"
    return "\n".join([
        *lines,
        f"killed: {', '.join(outcome.tally.kills)}",
        f"containers: {outcome.digest}",
        f"local run:  {expected}",
        f"{same} dataset, {outcome.seconds:.0f} s",
    ])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo", help="one of the chart's (demo)")
    parser.add_argument("--seed", type=int, help="of the kills (random)")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--against", type=Path, help="a finished local run to compare with")
    args = parser.parse_args()
    if why := engine.lacking():
        sys.exit(why)
    seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(engine.settings(Path(scratch)))
        engine.build(IMAGES)
        template, maps = charted(args.profile)
        outcome = rehearse(template, maps, IMAGES, {}, seed, args.kills)
        print(f"\n{outcome.audit}\n\ncontainers: {outcome.digest}; now the same here", flush=True)
        out = Path(scratch) / "local"
        expected = digest(args.against) if args.against else local(args.profile, out)
        print(f"\n{summary(outcome, expected)}")
    return 0 if outcome.digest == expected else 1


if __name__ == "__main__":
    sys.exit(main())
