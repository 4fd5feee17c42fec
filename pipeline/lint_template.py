"""Whether one template is whole: its type, its images, what it takes and gives, what it embeds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from pipeline.lint_shape import unique
from pipeline.lint_tree import TYPES, Doc, Fault, listing, mapping, text

IMAGES = ("container", "script")
#: Where each type of template finds the value of an output.
OUTPUTS = {"container": ("path",), "script": ("path",), "containerSet": ("path",),
           "resource": ("jsonPath", "jqFilter"), "dag": ("parameter", "expression"),
           "steps": ("parameter", "expression")}  # fmt: skip
TAG = re.compile(r"\{\{.*?\}\}", re.S)


def template(where: str, found: Doc, spec: Doc) -> Iterator[Fault]:
    """Faults of a template alone; `spec` has defaults for it."""
    yield from _type(where, found, spec)
    yield from _images(where, found, spec)
    yield from _sides(where, found)
    for key in {"activeDeadlineSeconds", "timeout"} & set(found):
        if "dag" in found or "steps" in found:
            yield Fault(where, f"{key} belongs to pods: give it to the templates of its tasks")
    if "parallelism" in found and not ("dag" in found or "steps" in found):
        yield Fault(where, "parallelism belongs to dag and steps: remove it")
    for one in [one for one in (found, spec) if "podSpecPatch" in one]:
        yield from _mapping(where, "podSpecPatch", str(one["podSpecPatch"]))
    if "resource" in found:
        yield from _manifest(where, mapping(found, "resource"))


def _type(where: str, template: Doc, spec: Doc) -> Iterator[Fault]:
    found = [key for key in TYPES if template.get(key) is not None]
    found = found or [key for key in TYPES if mapping(spec, "templateDefaults").get(key)]
    if len(found) != 1:
        said = f"it has {' and '.join(found)}" if found else "it has none"
        yield Fault(where, f"a template is of one type, {said}: choose one of {', '.join(TYPES)}")


def _images(where: str, template: Doc, spec: Doc) -> Iterator[Fault]:
    defaults = mapping(spec, "templateDefaults")
    for kind in [kind for kind in IMAGES if kind in template]:
        if not (mapping(template, kind).get("image") or mapping(defaults, kind).get("image")):
            yield Fault(where, f"{kind}.image is missing: name the image to run")
    others = [("containerSet.containers", listing(template, "containerSet", "containers")),
              ("initContainers", listing(template, "initContainers")),
              ("sidecars", listing(template, "sidecars"))]  # fmt: skip
    for kind, containers in others:
        for one in [one for one in containers if not one.get("image")]:
            yield Fault(where, f"{kind}: {text(one, 'name')!r} has no image: name the image to run")
    mounts = listing(mapping(template, "container"), "volumeMounts")
    paths = [text(mount, "mountPath") for mount in mounts]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield Fault(where, f"two volumes are mounted at {path}: mount one elsewhere")


def _sides(where: str, template: Doc) -> Iterator[Fault]:
    for side in ("inputs", "outputs"):
        for kind in ("parameters", "artifacts"):
            yield from unique(where, f"{side}.{kind}", mapping(template, side).get(kind))
    ways = next((OUTPUTS[key] for key in TYPES if key in template and key in OUTPUTS), ())
    for one in listing(template, "outputs", "parameters") if ways else ():
        source = mapping(one, "valueFrom")
        if "value" not in one and not {*ways, "supplied"} & set(source):
            yield Fault(where, f"outputs.parameters: {text(one, 'name')!r} has no "
                        f"{' or '.join(f'valueFrom.{way}' for way in ways)}: give it")  # fmt: skip


def _mapping(where: str, key: str, value: str) -> Iterator[Fault]:
    """A fault unless it is a YAML mapping, whatever Argo fills in."""
    found, said = _loaded(value)
    if said:
        yield Fault(where, f"{key} is not valid YAML: {said}")
    elif not isinstance(found, dict) and not re.fullmatch(r"\{\{.*\}\}", value.strip(), re.S):
        yield Fault(where, f"{key}: expected keys and values, found {type(found).__name__}")


def _manifest(where: str, resource: Doc) -> Iterator[Fault]:
    action, manifest = resource.get("action"), resource.get("manifest")
    if manifest and resource.get("manifestFrom"):
        yield Fault(where, "resource has both manifest and manifestFrom: remove one")
    if not manifest:
        if action not in ("get", "delete") and not resource.get("manifestFrom"):
            yield Fault(where, "resource has no manifest: give the object to make")
        return
    found = _loaded(str(manifest))[0]
    if action == "patch" and isinstance(found, list):
        return
    yield from _mapping(where, "resource.manifest", str(manifest))
    for key in ("apiVersion", "kind"):
        if isinstance(found, dict) and action != "patch" and not found.get(key):
            yield Fault(where, f"resource.manifest has no {key}: give it")


def _loaded(value: str) -> tuple[object, str]:
    """The YAML of a text with a number for each tag, or why it is none."""
    try:
        return yaml.safe_load(TAG.sub("0", value)), ""
    except (yaml.YAMLError, ValueError) as error:
        return None, " ".join(str(error).split())
