"""Each fault planted alone into what the project ships is found, by the gate that is for it.

Not only that something is said: one line, and it names the place and the fault.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import lint, render
from pipeline.errors import BUG, OK, PERMANENT
from tests.lint import planted
from tests.lint.planted import Doc, Fault, in_file, in_job, main, moved, swap, task, template

SHAPE = [
    Fault("a field of the spec", lambda d: moved(d["spec"], "podGC", "podGc"),
          "spec.podGc: no such field; did you mean 'podGC'?"),
    Fault("a field of a template", lambda d: moved(template(d, "plan"), "retryStrategy", "retry"),
          "plan: retry: no such field; did you mean 'retryStrategy'?"),
    Fault("a field of a container", lambda d: moved(main(d), "volumeMounts", "volumeMount"),
          "plan: container.volumeMount: no such field; did you mean 'volumeMounts'?"),
    Fault("a field of a task", lambda d: moved(task(d, "plan"), "depends", "dependsOn"),
          "partition/plan: dependsOn: no such field; did you mean 'depends'?"),
    Fault("a retry policy", lambda d: template(d, "plan")["retryStrategy"].update(
          retryPolicy="OnFailures"), "'OnFailures' is no such value; did you mean 'OnFailure'?"),
    Fault("a pod GC strategy", lambda d: d["spec"]["podGC"].update(strategy="Never"),
          "spec.podGC.strategy: 'Never' is no such value; choose one of OnPodCompletion"),
    Fault("a quantity", lambda d: main(d)["resources"]["limits"].update(memory="32 GB"),
          "plan: container.resources.limits.memory: '32 GB' is no quantity"),
    Fault("a duration", lambda d: template(d, "plan")["retryStrategy"]["backoff"].update(
          duration="30 seconds"), "plan: retryStrategy.backoff.duration: '30 seconds'"),
    Fault("a mutex of Argo 3", lambda d: moved(d["spec"]["synchronization"], "mutexes", "mutex"),
          "spec.synchronization.mutex is no field since Argo 4: write mutexes"),
    Fault("a priority of Argo 3", lambda d: d["spec"].update(podPriority=5),
          "spec.podPriority is no field since Argo 4: write podPriorityClassName"),
    Fault("a type", lambda d: d["spec"].update(parallelism="many"), "spec.parallelism: "),
]  # fmt: skip
MEANING = [
    Fault("no image", lambda d: main(d).pop("image"), "plan: container.image is missing"),
    Fault("two types", lambda d: template(d, "plan").update(suspend={}),
          "plan: a template is of one type, it has container and suspend"),
    Fault("a name twice", lambda d: d["spec"]["templates"].append(template(d, "plan")),
          "spec.templates: the name 'plan' is there twice"),
    Fault("an entrypoint", lambda d: d["spec"].update(entrypoint="runs"),
          "spec.entrypoint: there is no template 'runs'"),
    Fault("an exit handler", lambda d: d["spec"].update(onExit="summery"),
          "spec.onExit: there is no template 'summery'"),
    Fault("a task's template", lambda d: task(d, "plan").update(template="planning"),
          "partition/plan: there is no template 'planning'"),
    Fault("a dependency", lambda d: task(d, "segment").update(depends="ingest && propse"),
          "partition/segment: it depends on 'propse', which is no task of this dag"),
    Fault("a result", lambda d: task(d, "segment").update(depends="propose.Suceeded"),
          "partition/segment: depends: 'Suceeded' is no result"),
    Fault("a broken depends", lambda d: task(d, "segment").update(depends="ingest & propose"),
          "partition/segment: depends 'ingest & propose' cannot be read"),
    Fault("a circle", lambda d: task(d, "ingest").update(depends="plan"),
          "partition: tasks wait for each other in a circle: "),
    Fault("a workflow parameter", lambda d: main(d)["args"].append("{{workflow.parameters.runid}}"),
          "plan: {{workflow.parameters.runid}} is not defined: the workflow's parameters are "),
    Fault("an input", lambda d: main(d)["args"].append("{{inputs.parameters.shard}}"),
          "plan: {{inputs.parameters.shard}} is not defined: the inputs here are partition"),
    Fault("a tag's first word", lambda d: main(d)["args"].append("{{input.parameters.partition}}"),
          "plan: {{input.parameters.partition}} is not defined; did you mean inputs."),
    Fault("an item without a loop", lambda d: task(d, "partitions", "run").pop("withSequence"),
          "run/partitions: {{item}} is not defined: only a task with withItems"),
    Fault("an argument too few", lambda d: task(d, "plan").pop("arguments"),
          "partition/plan: arguments: plan needs the input 'partition': give it"),
    Fault("an argument too many", lambda d: task(d, "index", "finish").update(arguments={
          "parameters": [{"name": "partition", "value": "0"}]}),
          "finish/index: arguments: index has no input 'partition'"),
    Fault("a Job that is no YAML", in_job("kind: Job", "kind: [Job"),
          "train-deeplabv3plus-binary: resource.manifest is not valid YAML"),
    Fault("a number as a text", lambda d: template(d, "plan")["retryStrategy"].update(
          expression="lastRetry.exitCode in [75, 137]"),
          "plan: lastRetry.exitCode is a text: compare asInt(lastRetry.exitCode)"),
]  # fmt: skip
PODS = [
    Fault("capabilities", lambda d: main(d)["securityContext"].pop("capabilities"),
          "plan/main: securityContext.capabilities.drop is not [ALL]"),
    Fault("a privileged container", lambda d: main(d)["securityContext"].update(privileged=True),
          "plan/main: it is privileged"),
    Fault("a writable root", lambda d: main(d)["securityContext"].pop("readOnlyRootFilesystem"),
          "plan/main: securityContext.readOnlyRootFilesystem is not true"),
    Fault("no limits", lambda d: main(d)["resources"]["limits"].pop("memory"),
          "plan/main: resources.limits.memory is missing"),
    Fault("more than the limit", lambda d: main(d)["resources"]["requests"].update(memory="1Ti"),
          "plan/main: resources.requests.memory 1Ti is above its limit"),
    Fault("a moving image", lambda d: main(d).update(image="palimpsest/base:latest"),
          "plan/main: image palimpsest/base:latest may be another one tomorrow"),
    Fault("a shell", lambda d: main(d).update(command=["sh", "-c"]),
          "plan/main: command 'sh': start the program itself"),
    Fault("a secret in the environment", lambda d: main(d)["env"].append({"name": "HF_TOKEN",
          "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}),
          "plan/main: env HF_TOKEN is a secret: mount it as a file"),
    Fault("a retry of what cannot get better", lambda d: template(d, "plan")[
          "retryStrategy"].update(expression="asInt(lastRetry.exitCode) in [75, 78]"),
          "plan: retryStrategy tries again after exit code 78"),
    Fault("no deadline", lambda d: template(d, "plan").pop("activeDeadlineSeconds"),
          "plan: activeDeadlineSeconds is missing"),
    Fault("a field of a Job", in_job("backoffLimit: 0", "backOffLimit: 0"),
          "train-deeplabv3plus-binary: spec: Additional properties are not allowed "
          "('backOffLimit' was unexpected)"),
    Fault("the security of a Job", in_job("allowPrivilegeEscalation: false", "privileged: false"),
          "train-deeplabv3plus-binary/main: securityContext.allowPrivilegeEscalation is not false"),
]  # fmt: skip
#: Said once in the workflow, and so found in each of its pods.
ALL_PODS = [
    Fault("root", lambda d: d["spec"]["securityContext"].update(runAsUser=0),
          "begin: runAsUser is 0, which is root"),
    Fault("a folder of the host", lambda d: d["spec"]["volumes"].__setitem__(
          0, {"name": "data", "hostPath": {"path": "/srv"}}), "begin: volume 'data' is a hostPath"),
    Fault("a token", lambda d: d["spec"].pop("automountServiceAccountToken"),
          "begin: it gets a token of the API server"),
    Fault("a volume that is not there", lambda d: d["spec"]["volumes"].pop(0),
          "run: template begin mounts the volume 'data', which the workflow does not have"),
]  # fmt: skip
EXAMPLES = [
    Fault("a parameter", lambda d: d["spec"]["arguments"]["parameters"][0].update(name="run_id"),
          "spec.arguments: 'run_id' is no parameter of palimpsest-demo: known are run-id"),
    Fault("an entrypoint", lambda d: d["spec"].update(entrypoint="train"),
          "spec.entrypoint: there is no template 'train'"),
]  # fmt: skip
VALUES = [
    Fault("an unknown key", lambda v: v.update(image={"tag": "1"}), "'image' not allowed"),
    Fault("an unknown key below", lambda v: v.update(gpu={"resource": "x/y"}),
          "'resource' not allowed"),
    Fault("a type", lambda v: v.update(workflow={"parallelism": "many"}), "/workflow/parallelism"),
    Fault("a claim for one node", lambda v: v.update(
          storage={"data": {"accessModes": ["ReadWriteOnce"]}}), "it lacks ReadWriteMany"),
    Fault("a GPU's name", lambda v: v.update(gpu={"resourceName": "gpu"}), "gpu"),
    Fault("a workflow parameter", lambda v: v.update(workflow={"parameters": {"shards": "4"}}),
          "workflow.parameters.shards is not a parameter of the profile"),
]  # fmt: skip
CHARTS = [
    Fault("a broken action", in_file("templates/rbac.yaml", "{{", "{{ if"), "rbac.yaml"),
    Fault("a helper that is not there", in_file(
          "templates/ddp-service.yaml", "palimpsest.labels", "palimpsest.label"),
          "palimpsest.label"),
    Fault("a version", in_file("Chart.yaml", "version: ", "version: v-"), "not a valid SemVer"),
]  # fmt: skip
RENDERED = [
    Fault("a field of a Service", in_file(
          "templates/ddp-service.yaml", "publishNotReadyAddresses", "publishNotReadyAddress"),
          "-ddp: spec: Additional properties are not allowed ('publishNotReadyAddress'"),
    Fault("a field laid over a workflow", in_file(
          "templates/_pods.tpl", 'set .spec "tolerations"', 'set .spec "toleration"'),
          ": toleration: no such field; did you mean 'tolerations'?"),
    Fault("the security of the doctor", in_file(
          "templates/tests/doctor.yaml", "runAsNonRoot", "runAsNonroot"), "runAsNonRoot is not"),
]  # fmt: skip
DOCKERFILES = [
    Fault("a base without a tag", swap("FROM ${BASE}", "FROM debian"), "DL3006"),
    Fault("a moving base", swap("FROM ${BASE}", "FROM debian:latest"), "DL3007"),
    Fault("root", swap("USER 10001:10001", "USER 0"), "DL3002"),
    Fault("a shell", swap('CMD ["python", "-m", "pipeline.cli", "--help"]', "CMD python -m x"),
          "DL3025"),
    Fault("a package without a version", swap("RUN chmod", "RUN pip install --no-cache-dir numpy "
          "&& chmod"), "DL3013"),
    Fault("a cache", swap("--no-cache-dir ", ""), "DL3042"),
]  # fmt: skip

#: The gate for each; where one fault shows at many places, more than one line may come of it.
EVERY = [
    *((planted.workflow_lint, fault, True) for fault in (*SHAPE, *MEANING, *PODS)),
    *((planted.workflow_lint, fault, False) for fault in ALL_PODS),
    *((planted.example_lint, fault, True) for fault in EXAMPLES),
    *((planted.values, fault, True) for fault in VALUES),
    *((planted.chart_lint, fault, False) for fault in CHARTS),
    *((planted.rendered_lint, fault, False) for fault in RENDERED),
    *((planted.dockerfile, fault, True) for fault in DOCKERFILES),
]


@pytest.mark.parametrize(
    ("gate", "fault", "alone"), EVERY,
    ids=[f"{gate.__name__}: {fault.name}" for gate, fault, _ in EVERY],
)  # fmt: skip
def test_it_is_found(gate, fault: Fault, alone: bool, tmp_path: Path) -> None:
    lines = gate(tmp_path, fault.plant)
    assert any(fault.said in line for line in lines), lines
    assert len(lines) == 1 or not alone, lines


GATES = {gate.__name__: gate for gate, _, _ in EVERY}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_nothing_is_found_where_nothing_is_planted(gate, tmp_path: Path) -> None:
    assert gate(tmp_path, lambda given: given) == []


def test_a_key_twice_and_a_second_document(tmp_path: Path) -> None:
    twice = planted.text_lint(tmp_path, swap("spec:\n", "spec:\n  onExit: audit\n"))
    assert len(twice) == 1 and "key 'onExit' stands twice in the mapping at line" in twice[0]
    more = planted.text_lint(tmp_path, lambda text: text + "---\n- 1\n")
    assert more == ["expected keys and values, found list: give Kubernetes objects"]


def test_a_file_edited_by_hand_is_no_longer_what_the_dag_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = planted.chart_copy(tmp_path)
    assert render.main_render(check=False, profile="one-family", chart=chart) == OK
    assert render.main_render(check=True, profile="one-family", chart=chart) == OK
    in_file("files/workflows/one-family.yaml", "limit: '4'", "limit: '5'")(chart)
    assert render.main_render(check=True, profile="one-family", chart=chart) == BUG
    assert "differs: " in capsys.readouterr().out


def test_the_whole_repository_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main_lint([]) == OK
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("lint: no fault in ")
    assert "not checked" not in "".join(said)


def test_faults_are_lines_with_a_way_out_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def both(doc: Doc) -> None:
        main(doc).pop("image")
        task(doc, "plan")["template"] = "planning"

    planted.workflow_lint(tmp_path, both)
    path = tmp_path / "workflow.yaml"
    assert lint.main_lint([path]) == PERMANENT
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}: plan: container.image is missing: name the image to run" in lines
    assert lines[-2] == "lint: demo: its pods are looked at when the rest is in order"
    assert lines[-1] == "lint: 2 faults in 1 file: 1 object, and 0 pods that come of them"
