"""What several sections of the chart's values are made of, as Kubernetes has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.sections import Section

#: Letters, digits, '-' and '.', as Kubernetes has names; or empty.
Name = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$")]
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


class Resources(Section):
    requests: dict[str, Quantity | int] = Field({})
    limits: dict[str, Quantity | int] = Field({})


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
