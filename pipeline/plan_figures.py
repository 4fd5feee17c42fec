"""What a plan comes to, by who works and in all: for the page, and as JSON for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipeline import plan_rows
from pipeline.plan_rows import Row

if TYPE_CHECKING:
    from pipeline.plan import Plan
    from pipeline.plan_cuts import Cut

HOUR = 3600.0


def by_model(plan: Plan) -> list[Row]:
    """A row for each model, those with most work first."""
    found = plan_rows.rows(plan.best, plan.works, [plan_rows.who(work) for work in plan.works])
    return sorted(found, key=lambda row: -row.held)


def disk(plan: Plan) -> tuple[float, float]:
    """Bytes of all shards, and of the caches that training makes: each size once."""
    kept = plan.config.samples * plan.kept + plan.config.reals.total
    sizes = {section.size for section in plan.config.detectors.values()}
    return sum(work.bytes for work in plan.works), sum(4 * kept * side**2 for side in sizes)


def priced(plan: Plan) -> bool:
    """Whether the config has any price."""
    prices = plan.config.prices
    return prices.gpu_hour is not None or prices.cpu_hour is not None


def cost(plan: Plan, held: float, cpu: float) -> float:
    """Of so many seconds that GPUs are held, and CPUs by pods without one."""
    prices = plan.config.prices
    gpu = (prices.gpu_hour if plan.gpu else prices.cpu_hour) or 0.0
    return (held * gpu + cpu * (prices.cpu_hour or 0.0)) / HOUR


def as_json(plan: Plan, commands: Iterable[str]) -> dict[str, Any]:
    """Seconds and bytes, for other programs."""
    shards, caches = disk(plan)
    known = {
        "profile": plan.config.profile, "samples": plan.config.samples, "kept_share": plan.kept,
        "device": plan.gpu.name if plan.gpu else "cpu", "devices": plan.count,
        "like": str(plan.like.path) if plan.like else None,
        "shard_bytes": round(shards), "cache_bytes": round(caches),
        "stages": [
            {"stage": work.stage.name, "model": work.model, "samples": round(work.count, 1),
             "seconds_per_sample": work.seconds, "load_seconds": work.load, "gpus": work.gpus,
             "bytes": round(work.bytes), "source": work.source} for work in plan.works
        ],
        "models": [
            {"model": row.name, "pods": row.pods, "device_seconds": round(row.held, 1),
             "cpu_seconds": round(row.cpu, 1), "seconds_at_work": round(row.busy, 1),
             "devices_at_work": round(row.wide, 2),
             "cost": round(cost(plan, row.held, row.cpu), 4) if priced(plan) else None}
            for row in by_model(plan)
        ],
        "submit": {**_cut(plan.best), "commands": list(commands)},
    }  # fmt: skip
    if plan.paint and plan.free and plan.naive:
        names = ("submittable", "any_number_of_nodes", "one_pod_a_family")
        known["painting"] = dict(zip(names, map(_cut, plan.paint), strict=True))
        whole = (plan.best, plan.free, plan.naive)
        known["whole_run"] = dict(zip(names, map(_cut, whole), strict=True))
    return known


def _cut(cut: Cut) -> dict[str, Any]:
    return {"partitions": cut.parts, "workflows": len(cut.tables),
            "makespan_seconds": round(cut.makespan, 1), "bound_seconds": round(cut.bound, 1),
            "ratio": round(cut.ratio, 4), "device_seconds": round(cut.work, 1)}  # fmt: skip
