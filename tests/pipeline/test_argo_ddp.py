"""Training as an Indexed Job: its pods find each other, and what ends it for good does."""

from __future__ import annotations

import dataclasses
import re

import pytest
import yaml

from pipeline import argo, config, dag, pods
from pipeline.argo_ddp import LONGEST, RETRY_JOB, SERVICE, job
from pipeline.argo_pod import RUN, Doc
from tests.pipeline.test_argo import again


def made(profile: str) -> tuple[Doc, Doc]:
    """The resource template and the Job of a profile's first training."""
    chosen = config.load(profile)
    doc = argo.workflow_template(chosen, dag.checked(chosen))
    template = next(one for one in doc["spec"]["templates"] if "resource" in one)
    return template, yaml.safe_load(template["resource"]["manifest"])


def test_the_pods_of_a_job_find_each_other() -> None:
    template, found = made("demo")
    assert template["resource"]["action"] == "create"
    assert template["resource"]["setOwnerReference"] is True
    assert template["resource"]["successCondition"] == "status.succeeded == 2"
    spec = found["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (2, 2, 0)
    assert spec["completionMode"] == "Indexed"
    inner = spec["template"]
    assert inner["metadata"]["labels"]["palimpsest.io/role"] == "ddp"
    assert inner["spec"]["subdomain"] == SERVICE
    env = {item["name"]: item.get("value") for item in inner["spec"]["containers"][0]["env"]}
    assert env["NNODES"] == "2" and env["MASTER_ADDR"] == f"$(JOB_NAME)-0.{SERVICE}"
    names = list(env)
    assert names.index("JOB_NAME") < names.index("MASTER_ADDR"), "or it is not filled in"


def test_the_name_leaves_room_for_a_hosts() -> None:
    """`<name>-<five letters>-<index>` is a host name: 63 characters."""
    chosen = config.load("demo")
    stage = next(one for one in dag.dag(chosen) if one.processes)
    longest = job(dataclasses.replace(stage, name="t" * 90), [str(RUN)], "demo")
    name = longest["metadata"]["generateName"]
    assert len(name + "abcde-99999") <= 63 and name == "t" * LONGEST + "-"


@pytest.mark.parametrize("profile", ["demo", "paper"])
def test_a_mistake_ends_the_job_for_good_and_a_lost_node_does_not_count(profile: str) -> None:
    rules = made(profile)[1]["spec"]["podFailurePolicy"]["rules"]
    assert rules == [
        {"action": "FailJob",
         "onExitCodes": {"containerName": "main", "operator": "In", "values": [78]}},
        {"action": "Ignore",
         "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "retried"),
    [
        ("main: Error (exit code 64): failure condition 'status.failed>0' evaluated true", True),
        ("main: Error (exit code 64): failure condition "
         "'status.conditions.0.reason==PodFailurePolicy' evaluated true", False),
        ("main: Error (exit code 64): no more retries jobs.batch is forbidden", False),
    ],
)  # fmt: skip
def test_argo_makes_a_new_job_unless_the_last_one_was_ended_for_good(
    message: str, retried: bool
) -> None:
    assert again(RETRY_JOB, 64, message=message) is retried
    assert again(RETRY_JOB, 137) and again(RETRY_JOB, -1) and again(RETRY_JOB, 64, "Error")


def test_conditions_are_what_argo_can_read() -> None:
    """Label selectors over paths: no brackets, quotes or spaces within; failures in the order of
    their keys, so that a Job ended for good is told from one that merely failed."""
    found = made("demo")[0]["resource"]["failureCondition"].split(",")
    keys = []
    for condition in found:
        key, operator, value = condition.split(" ")
        assert re.fullmatch(r"[a-z0-9.]+", key) and operator in ("==", ">")
        assert re.fullmatch(r"[A-Za-z0-9]+", value)
        keys.append(key)
    assert keys == sorted(keys) and keys[-1] == "status.failed"


def test_the_watching_pod_asks_for_no_gpu_and_the_jobs_do() -> None:
    template, found = made("paper")
    assert "annotations" not in template["metadata"]
    pod = found["spec"]["template"]
    assert pod["metadata"]["annotations"] == {"palimpsest.io/gpu-gib": "40"}
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"


def test_members_are_told_their_index() -> None:
    members = pods.members(made("demo")[1], "train-x7k2p")
    assert [pod["spec"]["hostname"] for pod in members] == ["train-x7k2p-0", "train-x7k2p-1"]
    for index, pod in enumerate(members):
        labels = pod["metadata"]["labels"]
        assert labels["batch.kubernetes.io/job-completion-index"] == str(index)
        assert labels["batch.kubernetes.io/job-name"] == "train-x7k2p"
        assert pod["spec"]["containers"][0]["env"][-1]["name"] == "JOB_COMPLETION_INDEX"
