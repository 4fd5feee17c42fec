"""Write what the chart makes, with its workflows as pods: `python -m tests.charts.scan DIR`.

For scanners, which look through Argo's kinds. The value set is `restricted`: images by digest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from pipeline import pods
from tests.charts.rendered import FEW, NAMESPACE, Doc, objects, of


def documents(name: str = "restricted") -> list[Doc]:
    """All objects, and one pod or Job of each template of each profile."""
    found = [doc for doc in objects(name) if doc["kind"] != "WorkflowTemplate"]
    for workflow in of("WorkflowTemplate", objects(name)):
        for template, manifest in {
            node.template: node.manifest for node in pods.expand(workflow, FEW)
        }.items():
            title = f"{workflow['metadata']['name']}-{template}"
            found.append({**manifest, "metadata": {**manifest["metadata"], "name": title}})
    return [{**doc, "metadata": {**doc["metadata"], "namespace": NAMESPACE}} for doc in found]


def main(argv: list[str]) -> int:
    folder = Path(argv[0])
    folder.mkdir(parents=True, exist_ok=True)
    docs = documents()
    (folder / "all.yaml").write_text(yaml.safe_dump_all(docs, sort_keys=False))
    print(f"{folder}/all.yaml: {len(docs)} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
