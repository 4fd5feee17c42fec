"""Pod Security `restricted`: what a namespace with that label admits, for pods of Linux.

The published profile of Kubernetes 1.31 to 1.37, each of its controls once. A pod is refused for
what it lacks as well as for what it has.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.lint_tree import Doc, Fault, listing, mapping

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
           "projected", "secret"}  # fmt: skip
SELINUX = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}  # fmt: skip
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HANDLERS = ("httpGet", "tcpSocket")


def restricted(pod: Doc) -> Iterator[Fault]:
    """Why a namespace that enforces `restricted` refuses a pod; `where` is the container."""
    spec = mapping(pod, "spec")
    yield from (Fault("", said) for said in _pod(spec))
    for name, profile in mapping(pod, "metadata", "annotations").items():
        allowed = profile in ("", "runtime/default") or str(profile).startswith("localhost/")
        if str(name).startswith(APPARMOR) and not allowed:
            yield Fault("", f"annotation {name}: set it to runtime/default")
    own = mapping(spec, "securityContext")
    for container in containers(spec):
        name = str(container.get("name", "?"))
        for said in (*_baseline(container), *_restricted(container, own)):
            yield Fault(name, said)


def containers(spec: Doc) -> list[Doc]:
    """All containers of a pod, whenever they run."""
    return [one for kind in CONTAINERS for one in listing(spec, kind)]


def _pod(spec: Doc) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key) not in (None, False):
            yield f"{key} is on: pods stay out of the host's namespaces, remove it"
    for volume in listing(spec, "volumes"):
        for kind in sorted(set(volume) - {"name"} - VOLUMES):
            yield f"volume {volume.get('name')!r} is a {kind}: choose one of {_list(VOLUMES)}"
    own = mapping(spec, "securityContext")
    for one in listing(own, "sysctls"):
        if one.get("name") not in SYSCTLS:
            yield f"sysctl {one.get('name')} is not a safe one: remove it"
    if own.get("runAsNonRoot") is False:
        yield "securityContext.runAsNonRoot is false: set it to true"
    yield from _context(own)


def _context(own: Doc) -> Iterator[str]:
    """What holds for the security context of a pod and of a container alike."""
    if mapping(own, "windowsOptions").get("hostProcess") not in (None, False):
        yield "windowsOptions.hostProcess is on: remove it"
    profile = mapping(own, "appArmorProfile")
    if profile and profile.get("type") not in ("RuntimeDefault", "Localhost"):
        yield "appArmorProfile: set it to RuntimeDefault"
    options = mapping(own, "seLinuxOptions")
    if options.get("type") and options["type"] not in SELINUX:
        yield f"seLinuxOptions.type: choose one of {_list(SELINUX)}"
    for key in [key for key in ("user", "role") if options.get(key)]:
        yield f"seLinuxOptions.{key} is set: remove it"
    if own.get("runAsUser") == 0:
        yield "runAsUser is 0, which is root: choose another, such as 10001"
    seccomp = mapping(own, "seccompProfile").get("type")
    if seccomp not in (None, "RuntimeDefault", "Localhost"):
        yield f"seccompProfile is {seccomp}: set it to RuntimeDefault"


def _baseline(container: Doc) -> Iterator[str]:
    own = mapping(container, "securityContext")
    yield from _context(own)
    if own.get("privileged") not in (None, False):
        yield "it is privileged: remove that"
    if own.get("procMount") not in (None, "", "Default"):
        yield "procMount: only Default is allowed, remove it"
    for port in listing(container, "ports"):
        if port.get("hostPort"):
            yield f"hostPort {port['hostPort']}: remove it, containerPort is enough"
    asks = [(key, mapping(container, key)) for key in PROBES]
    asks += [(key, mapping(container, "lifecycle", key)) for key in ("postStart", "preStop")]
    for key, handler in asks:
        for kind in HANDLERS:
            if mapping(handler, kind).get("host"):
                yield f"{key}.{kind}.host: it may ask only its own pod, remove the host"


def _restricted(container: Doc, of_pod: Doc) -> Iterator[str]:
    own = mapping(container, "securityContext")
    if own.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation is not false: set it"
    if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield "securityContext.runAsNonRoot is not true here or for the pod: set it"
    if not (mapping(own, "seccompProfile") or mapping(of_pod, "seccompProfile")).get("type"):
        yield "securityContext.seccompProfile is missing here and for the pod: set RuntimeDefault"
    capabilities = mapping(own, "capabilities")
    if "ALL" not in _strings(capabilities.get("drop")):
        yield "securityContext.capabilities.drop is not [ALL]: set it"
    for name in sorted(set(_strings(capabilities.get("add"))) - {"NET_BIND_SERVICE"}):
        yield f"securityContext.capabilities.add has {name}: only NET_BIND_SERVICE may be added"


def _strings(found: object) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))
