"""Where a killed training run goes on: files written aside, renamed, and named by their own digest.

    run/checkpoints/train-deeplabv3plus-binary/step-000020-5be1c0ffee15f00d.pt

Plain `torch.load` reads one. torch does not check what it reads (a flipped byte in a tensor loads
without a word), so the digest in the name decides whether a file is whole.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import disk, events

if TYPE_CHECKING:
    import torch

KEEP = 2
_NAME = re.compile(r"step-([0-9]{6,12})-([0-9a-f]{16})\.pt")


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain values, with "step" among them); keep the newest two."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = folder / f"step-{state['step']:06d}-{hashlib.sha256(data).hexdigest()[:16]}.pt"
    disk.replace(path, data)
    for old in _files(folder)[:-KEEP]:
        disk.system.remove(old)
    return path


def newest(folder: Path, facts: Mapping[str, str]) -> str:
    """Name of the newest usable checkpoint with these `facts`, "" if there is none.

    One that is damaged, or whose facts differ, is said and removed: it would push good ones out. So
    is what a process left that was killed while it wrote.
    """
    for left in folder.glob(".step-*"):
        disk.system.remove(left)
    for path in reversed(_files(folder)):
        try:
            known = load(path)["facts"]
            differ = [name for name, value in facts.items() if known.get(name) != value]
            if not differ:
                return path.name
            events.say("checkpoint-refused", "{file}: made with {what} {was} and not {wanted}, not "
                       "used", level="warning", file=path.name, what=differ[0],
                       was=str(known.get(differ[0])), wanted=facts[differ[0]])  # fmt: skip
        except ValueError as error:
            events.say("checkpoint-refused", "{why}, not used", level="warning", why=str(error))
        disk.system.remove(path)
    return ""


def latest(folder: Path) -> str:
    """The path of the newest checkpoint, whatever it is made with; "" if there is none."""
    return str(found[-1]) if (found := _files(folder)) else ""


def load(path: Path) -> dict[str, Any]:
    """The state, tensors on the CPU. Raises ValueError if the file is damaged, or of somebody who
    gave it a name that fits: torch is then held to tensors and plain values, and runs nothing."""
    import torch

    match, data = _NAME.fullmatch(path.name), disk.read(path)
    if not match or hashlib.sha256(data).hexdigest()[:16] != match[2]:
        raise ValueError(f"{path.name}: damaged or cut short ({len(data)} bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how foreign ones were written
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a foreign file raises nearly anything
        if "allocate memory" in str(error):  # torch's own word for it; a good file must not go
            raise MemoryError from None
        said = str(error).partition("\n")[0][:100]
        raise ValueError(f"{path.name}: no checkpoint of ours ({said})") from None
    if not isinstance(state, dict) or not isinstance(state.get("facts"), dict):
        raise ValueError(f"{path.name}: no checkpoint of ours")
    return state


def weights(state: Mapping[str, torch.Tensor]) -> bytes:
    """The weights of a finished model as a safetensors file."""
    from safetensors.torch import save as dump

    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    return bytes(dump(tensors))


def _files(folder: Path) -> list[Path]:
    """Oldest first."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("step-*-*.pt"))
    return [path for _, path in sorted((int(match[1]), path) for match, path in named if match)]
