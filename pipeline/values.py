"""What a site may set in the chart: the types behind values.schema.json, keys as in values.yaml.

What they mean stands there, once. `config` is typed from the project's own `Config` by
`pipeline.schema`. Maps that only Kubernetes reads are free; elsewhere an unknown key is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pipeline.run_id import PATTERN
from pipeline.sections import Section
from pipeline.values_parts import (
    Egress,
    Labels,
    Mode,
    Name,
    Peer,
    Positive,
    Quantity,
    Reach,
    Resources,
    Toleration,
)

#: A host, perhaps a port and a path, and no `https://`.
REGISTRY = r"^([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]+)?(/[-a-z0-9._/]+)?)?$"
#: A scrape interval of 1s to 300s, the longest that a pod may linger (pipeline/sections.py).
INTERVAL = r"^(([1-9][0-9]?|[12][0-9]{2}|300)s|[1-5]m)$"
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


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


class NetworkPolicy(Section):
    enabled: bool
    dns: Annotated[list[Peer], Field(min_length=1)]
    apiServer: Reach
    fetch: Reach
    metricsNamespace: Name
    extraEgress: list[Egress]


class PodMonitor(Section):
    enabled: bool
    interval: Annotated[str, Field(pattern=INTERVAL)]
    labels: Labels


class Rules(Section):
    enabled: bool
    labels: Labels


class Dashboards(Section):
    enabled: bool
    labels: Labels
    annotations: Labels


class Exporter(Section):
    enabled: bool
    resources: Resources


class Monitoring(Section):
    operator: bool | None = None
    podMonitor: PodMonitor
    rules: Rules
    dashboards: Dashboards
    scrapeAnnotations: bool
    exporter: Exporter


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
    metrics: Monitoring
    doctor: Doctor
