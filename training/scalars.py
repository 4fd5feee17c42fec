"""What TensorBoard draws of a training run: <run>/scalars/<stage>/, `tensorboard --logdir RUN`.

loss, learning_rate, images_per_second, data_wait (share of the time in which no batch was
ready), and with a dev slice dev_score; the step is the number of steps that were done.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FLUSH_SECONDS = 10


class Scalars:
    """Writes from `step` on; what a killed process wrote beyond it is hidden from readers. A folder
    of None (all ranks but the first) takes nothing and imports nothing."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: SummaryWriter | None = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder, purge_step=step + 1, flush_secs=FLUSH_SECONDS)

    def add(self, step: int, **values: float) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def __enter__(self) -> Scalars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
