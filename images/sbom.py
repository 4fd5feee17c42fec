"""Print what is in the image that this runs in, as CycloneDX 1.6 JSON: `make sbom`.

podman run --rm --interactive IMAGE python - NAME VERSION <images/sbom.py

Reads what is installed, not what was asked for, with nothing but Python and dpkg. The same image
gives the same bytes: neither a date nor a serial number is in it.
"""

import json
import platform
import subprocess
import sys
from importlib import metadata
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]


def component(kind: str, name: str, version: str, purl: str, **more: object) -> Component:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}


def licences(distribution: metadata.Distribution) -> list[dict[str, Any]]:
    """What a distribution says of its licence: an SPDX expression, one line of text, or classes."""
    facts = distribution.metadata.json
    if expression := facts.get("license_expression"):
        return [{"expression": expression}]
    line = str(facts.get("license", "")).strip()
    if line and len(line) < 80 and "\n" not in line:
        return [{"license": {"name": line}}]
    classes = [entry for entry in facts.get("classifier", ()) if "License ::" in entry]
    return [{"license": {"name": entry.rpartition(" :: ")[2]}} for entry in classes]


def python() -> list[Component]:
    """The interpreter and every installed distribution."""
    version = platform.python_version()
    found = [component("application", "python", version, f"pkg:generic/python@{version}")]
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.version
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version)}"
        found.append(component("library", name, version, purl,
                               licenses=licences(distribution)))  # fmt: skip
    return found


def debian() -> list[Component]:
    """Every installed Debian package."""
    system = platform.freedesktop_os_release()
    release = f"debian-{system['VERSION_ID']}"
    show = r"${Package} ${Version} ${Architecture}\n"
    command = ["dpkg-query", "--show", f"--showformat={show}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = []
    for name, version, architecture in (line.split() for line in lines):
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe=':')}"
        purl += f"?arch={architecture}&distro={release}"
        found.append(component("library", name, version, purl))
    return found


def bom(image: str, version: str) -> dict[str, Any]:
    found = {each["bom-ref"]: each for each in [*python(), *debian()]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": f"palimpsest/{image}",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [found[ref] for ref in sorted(found)],
    }


if __name__ == "__main__":
    print(json.dumps(bom(*sys.argv[1:]), indent=1))
