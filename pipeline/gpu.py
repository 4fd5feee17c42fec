"""What NVIDIA's management library says of the GPU in this process's hands; nothing without one.

Read every few seconds by a thread: a batch's end is the one moment at which a GPU is idle.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline import live, metrics

EVERY = 5.0  # seconds


@dataclass(frozen=True)
class Reading:
    """Bytes, and the share of the last moments in which a kernel ran, 0 to 1."""

    used: int
    size: int
    utilization: float


@cache
def _library() -> Any:
    """The management library, None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


@cache
def _handle() -> Any:
    """This process's own device of those it may use (CUDA_VISIBLE_DEVICES), None without one."""
    nvml = _library()
    if nvml is None:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    mine = visible.split(",")[_place() :][:1] if visible else [str(_place())]
    try:
        if not mine:
            return None
        if mine[0].isdigit():
            return nvml.nvmlDeviceGetHandleByIndex(int(mine[0]))
        return nvml.nvmlDeviceGetHandleByUUID(mine[0])
    except nvml.NVMLError:
        return None


def _place() -> int:
    """Which of the devices is this process's: each rank of a training has one."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def name() -> str:
    """Of the device, such as `NVIDIA H100 80GB HBM3`; "" without one."""
    if (handle := _handle()) is None:
        return ""
    found = _library().nvmlDeviceGetName(handle)
    return found.decode() if isinstance(found, bytes) else str(found)


def read() -> Reading | None:
    """Now; None where the device does not say (a slice of one has no utilization)."""
    nvml, handle = _library(), _handle()
    if nvml is None or handle is None:
        return None
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        busy = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
    except nvml.NVMLError:
        return None
    return Reading(int(memory.used), int(memory.total), busy / 100)


def watch(who: tuple[str, ...], source: Callable[[], Reading | None] = read) -> None:
    """Set the gauges of the GPU from now on, as long as this process lives. A device that cannot be
    read is not asked again."""
    if (first := source()) is None:
        return
    device = f"{_place()} {name()}".strip()

    def show(now: Reading) -> None:
        live.gauge(metrics.GPU_MEMORY, *who, device).set(now.used)
        live.gauge(metrics.GPU_MEMORY_SIZE, *who, device).set(now.size)
        live.gauge(metrics.GPU_UTILIZATION, *who, device).set(now.utilization)

    def go_on() -> None:
        pause = threading.Event()
        while not pause.wait(EVERY) and (now := source()) is not None:
            show(now)

    show(first)
    threading.Thread(target=go_on, name="gpu", daemon=True).start()
