"""What a site may set in the chart: the types behind values.schema.json, keys as in values.yaml.

What they mean stands there, once. `config` is typed from the project's own `Config` by
`pipeline.schema`. Maps that only Kubernetes reads are free; elsewhere an unknown key is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pipeline.config import Section
from pipeline.run_id import PATTERN

#: A host, perhaps a port and a path, and no `https://`.
REGISTRY = r"^([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]+)?(/[-a-z0-9._/]+)?)?$"
#: Letters, digits, '-' and '.', as Kubernetes has names; or empty.
Name = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Cidr = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Labels = dict[str, str]
Mode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class Toleration(Section):
    key: str | None = None
    operator: Literal["Exists", "Equal", "Lt", "Gt"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None


class Digests(Section):
    base: Digest | None = None
    editor: Digest | None = None
    train: Digest | None = None


class Images(Section):
    registry: Annotated[str, Field(pattern=REGISTRY)]
    repository: Annotated[str, Field(pattern=r"^[a-z0-9][-a-z0-9._/]*[a-z0-9]$")]
    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][-A-Za-z0-9._]{0,127})?$")]
    digests: Digests
    requireDigests: bool
    pullPolicy: Literal["IfNotPresent", "Always", "Never"]
    pullSecrets: list[Name]


class Claim(Section):
    existingClaim: Name
    storageClassName: str
    accessModes: Annotated[list[Mode], Field(min_length=1)]
    size: Quantity
    annotations: Labels


class Storage(Section):
    singleNode: bool
    data: Claim
    models: Claim


class Models(Section):
    offline: bool
    endpoint: Annotated[str, Field(pattern=r"^(https?://\S+)?$")]
    tokenSecret: Name
    env: dict[str, str]


class Pods(Section):
    labels: Labels
    annotations: Labels
    nodeSelector: Labels
    tolerations: list[Toleration]
    affinity: dict[str, Any]
    priorityClassName: Name
    shmSize: Annotated[str, Field(pattern=r"^([0-9]+(\.[0-9]+)?([kMGTPE]|[KMGTPE]i)?)?$")]
    userId: Annotated[int, Field(ge=1)] | None = None


class Gpu(Section):
    resourceName: str
    nodeSelector: Labels
    tolerations: list[Toleration]


class Resources(Section):
    requests: dict[str, Quantity | int] = Field({})
    limits: dict[str, Quantity | int] = Field({})


class Family(Section):
    resources: Resources = Resources()
    nodeSelector: Labels = Field({})
    tolerations: list[Toleration] = Field([])
    gpuResourceName: str = ""


class Parameters(Section):
    """Those of every profile; the chart refuses others that no profile has, by name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | int] = Field(init=False)
    run_id: Annotated[str, Field(alias="run-id", pattern=PATTERN)] = "run"
    photos: Annotated[str, Field(pattern=r"^/[^\s{}]+$")] = "/data/photos"
    partitions: Positive | Annotated[str, Field(pattern=r"^[1-9][0-9]*$")] = 1


class Workflow(Section):
    parameters: Parameters
    parallelism: Positive | None = None
    activeDeadlineSeconds: Positive | None = None
    podDeadlineSeconds: Positive | None = None
    ttlSeconds: Positive | None = None


class Kueue(Section):
    queueName: Name
    priorityClassName: Name


class ServiceAccounts(Section):
    create: bool
    workflow: Name
    executor: Name


class Subject(Section):
    kind: Literal["User", "Group", "ServiceAccount"]
    name: str
    apiGroup: str = ""
    namespace: str = ""


class Rbac(Section):
    create: bool
    submitters: list[Subject]


class Peer(Section):
    ipBlock: dict[str, Any] | None = None
    namespaceSelector: dict[str, Any] | None = None
    podSelector: dict[str, Any] | None = None


class Reach(Section):
    cidrs: Annotated[list[Cidr], Field(min_length=1)]
    ports: Annotated[list[Port], Field(min_length=1)]


class Egress(Section):
    to: list[Peer] = Field([])
    ports: list[dict[str, Any]] = Field([])


class NetworkPolicy(Section):
    enabled: bool
    dns: Annotated[list[Peer], Field(min_length=1)]
    apiServer: Reach
    fetch: Reach
    metricsNamespace: Name
    extraEgress: list[Egress]


class Doctor(Section):
    gpu: bool


class Values(Section):
    nameOverride: Name
    fullnameOverride: Name
    umbrella: dict[str, Any] = Field(alias="global")
    profiles: list[Name]
    images: Images
    storage: Storage
    models: Models
    pods: Pods
    gpu: Gpu
    families: dict[str, Family]
    workflow: Workflow
    config: dict[str, Any]
    kueue: Kueue
    serviceAccounts: ServiceAccounts
    rbac: Rbac
    networkPolicy: NetworkPolicy
    doctor: Doctor
