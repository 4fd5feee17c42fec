"""The picture of the workflow: alike steps are one box, loops and DAGs are frames."""

from __future__ import annotations

from pipeline import argo, argo_draw, config, dag


def test_the_papers_picture() -> None:
    paper = config.load("paper")
    lines = argo_draw.as_mermaid(argo.workflow_template(paper, dag.checked(paper))).splitlines()
    text = [line.strip() for line in lines]
    assert text[0] == "flowchart TD"
    assert 'n2x["partitions: once for each partition"]' in " ".join(text)
    for title in ("generate-* × 8", "edit-3-* × 8", "assemble-* × 3", "replay-sdxl-lora-3-* × 8"):
        assert sum(f'["{title}"]' in line for line in text) == 1
    assert text.count("end") == sum(line.startswith("subgraph") for line in text) == 4
    boxes = {line.split('["')[0].removeprefix("subgraph ") for line in text if '["' in line}
    edges = [line.split(" --> ") for line in text if " --> " in line]
    assert all(one in boxes and other in boxes for one, other in edges)
    assert text[-1] == "n3x -. however it ends .-> exit" and 'exit["summary"]' in text


def test_only_direct_edges_are_drawn() -> None:
    one = {"spec": {"entrypoint": "main", "onExit": "c", "templates": [
        {"name": "main", "dag": {"tasks": [
            {"name": "a", "template": "a"},
            {"name": "b", "template": "b", "depends": "a"},
            {"name": "c", "template": "c", "depends": "a && b"},
        ]}}, *({"name": name} for name in "abc"),
    ]}}  # fmt: skip
    drawn = argo_draw.as_mermaid(one)
    assert "n0x --> n1x" in drawn and "n1x --> n2x" in drawn and "n0x --> n2x" not in drawn
