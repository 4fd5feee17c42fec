"""The GPUs that a plan can be made for, by their makers' data sheets.

A GPU is called as on the command line (`8xH100`) or as the driver calls it (`NVIDIA H100 80GB
HBM3`). Nothing here asks a device anything.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from pipeline.errors import ConfigError

#: The share of its data sheet's speed that a GPU is taken to reach. Large transformers run as they
#: are come to about this; UNets, one picture at a time, to a quarter, and compiled to nearly half.
UTILISATION = 0.35


@dataclass(frozen=True, slots=True)
class Gpu:
    """`half` and `single` are TFLOP/s, dense: of bfloat16 (float16, where there is no bfloat16),
    and of float32 without TF32, as torch multiplies matrices unless it is told otherwise. `gib` is
    its memory. `pattern` is found in the driver's name for it, in capitals."""

    name: str
    half: float
    single: float
    gib: int
    pattern: str

    def seconds(self, pflop: float, dtype: str = "bfloat16") -> float:
        """Of so much work at UTILISATION of its speed."""
        speed = self.single if dtype == "float32" else self.half
        return pflop * 1000 / (speed * UTILISATION)


#: The more special patterns first. Speeds with sparsity, which data sheets like to print, are twice
#: these.
GPUS = (
    Gpu("B200", 2250, 75, 180, r"\bB200\b"),
    Gpu("H200", 989, 67, 141, r"\bH200\b"),
    Gpu("H100-NVL", 835, 60, 94, r"\bH100 NVL\b"),
    Gpu("H100-PCIE", 756, 51, 80, r"\bH100 PCIE\b"),
    Gpu("H100", 989, 67, 80, r"\bH100\b"),
    Gpu("A100-40GB", 312, 19.5, 40, r"\bA100\b.*40GB"),
    Gpu("A100", 312, 19.5, 80, r"\bA100\b"),
    Gpu("L40S", 362, 91.6, 48, r"\bL40S\b"),
    Gpu("L40", 181, 90.5, 48, r"\bL40\b"),
    Gpu("L4", 121, 30.3, 24, r"\bL4\b"),
    Gpu("A40", 150, 37.4, 48, r"\bA40\b"),
    Gpu("A10", 125, 31.2, 24, r"\bA10\b"),
    Gpu("A6000", 155, 38.7, 48, r"\bRTX A6000\b"),
    Gpu("RTX4090", 165, 82.6, 24, r"\bRTX 4090\b"),
    Gpu("V100-32GB", 125, 15.7, 32, r"\bV100\b.*32GB"),
    Gpu("V100", 125, 15.7, 16, r"\bV100\b"),
    Gpu("T4", 65, 8.1, 16, r"\bT4\b"),
)


def known(name: str) -> Gpu | None:
    """The row of a GPU by the driver's name for it; None of one that is in no row, and of a slice
    of one (MIG), whose speed no data sheet has."""
    words = re.sub(r"[-_]", " ", name.upper())
    if re.search(r"\bMIG\b", words):
        return None
    return next((gpu for gpu in GPUS if re.search(gpu.pattern, words)), None)


def find(name: str) -> Gpu:
    """The row of a GPU as a user calls it. A ConfigError names the nearest and all there are."""
    plain = {re.sub(r"[\W_]", "", gpu.name): gpu for gpu in GPUS}
    wanted = re.sub(r"[\W_]", "", name.upper())
    found = plain.get(wanted) or plain.get(f"RTX{wanted}") or known(name)
    if found is not None:
        return found
    near = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.5)
    hint = f"did you mean {plain[near[0]].name}? " if near else ""
    raise ConfigError(f"--gpus: no GPU {name!r}: {hint}known are "
                      f"{', '.join(gpu.name for gpu in GPUS)}")  # fmt: skip


def parse(text: str) -> tuple[int, Gpu]:
    """`8xH100` is eight of them, `H100` is one. A ConfigError says what was expected."""
    found = re.fullmatch(r"\s*(?:(\d+)\s*[x*×]\s*)?(\S.*?)\s*", text, re.I)
    count = int(found[1] or 1) if found else 0
    if not found or not 1 <= count <= 100_000:
        raise ConfigError(f"--gpus {text!r}: give how many of which, such as 8xH100")
    return count, find(found[2])
