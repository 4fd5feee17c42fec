"""Every metric, once: what it is called, what it counts, and by which labels.

Two sources, never the same name. `palimpsest_stage_*`, `_training_*` and `_gpu_*` are what a
process says of the work in its hands; an attempt that is killed has said what it had done.
`palimpsest_run_*` is what stands in a run folder, read from the manifests by the exporter, and
equals the audit. Both are written by Prometheus' conventions: base units, `_total` on counters.
Labels have few values each: no shard, no sample, no text of models or users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
#: Whose work it is: the run's folder, the stage, its model family ("" = none), its partition.
STAGE = ("run", "stage", "family", "partition")
TRAINING = ("run", "stage", "detector", "task")
#: Seconds, from a CPU stand-in's batch to an hour of weights that are read over a slow line.
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3600)


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is that of the series (a histogram's without `_bucket`). `lives` says that its last
    value means nothing any more once its process is dead."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    lives: bool = False


BUILD = Metric("palimpsest_build_info", "gauge", "1, by version and digest of the code.",
               ("version", "code"))  # fmt: skip

STARTS = Metric("palimpsest_stage_starts_total", "counter",
                "Processes that began to work at a partition.", STAGE)  # fmt: skip
RUNNING = Metric("palimpsest_stage_running", "gauge", "1 while a process works.", STAGE, lives=True)
SHARDS = Metric("palimpsest_stage_shards", "gauge", "Shards of the partition.", STAGE)
SHARDS_LEFT = Metric("palimpsest_stage_shards_left", "gauge",
                     "Shards of the partition that are not committed.", STAGE)  # fmt: skip
SAMPLES = Metric("palimpsest_stage_samples_total", "counter",
                 "Samples that were worked at, by outcome: ok, or the reason to decline.",
                 (*STAGE, "outcome"))  # fmt: skip
SAMPLE_SECONDS = Metric("palimpsest_stage_sample_seconds", "histogram",
                        "Seconds of a batch's transform, shared out to its samples.",
                        STAGE)  # fmt: skip
EXPECTED_SECONDS = Metric("palimpsest_stage_expected_sample_seconds", "gauge",
                          "Seconds a sample should take here by the model's card and the GPU's "
                          "data sheet.", STAGE)  # fmt: skip
PHASE_SECONDS = Metric("palimpsest_stage_phase_seconds", "histogram",
                       "Seconds by phase: load (a model), read, transform, write, commit.",
                       (*STAGE, "phase"))  # fmt: skip
WRITTEN = Metric("palimpsest_stage_written_bytes_total", "counter",
                 "Bytes of the tars that were committed.", STAGE)  # fmt: skip
PROGRESS = Metric("palimpsest_stage_last_progress_timestamp_seconds", "gauge",
                  "When the last batch or step was done, in seconds since 1970.",
                  STAGE)  # fmt: skip
BATCH = Metric("palimpsest_stage_batch_size", "gauge", "Samples of the last batch.", STAGE)
FALLBACKS = Metric("palimpsest_stage_batch_fallbacks_total", "counter",
                   "Batches that were cut smaller because the device was full.", STAGE)  # fmt: skip
DIVERGENCES = Metric("palimpsest_stage_commit_divergences_total", "counter",
                     "Shards that came out with other bytes than those committed by another "
                     "attempt.", STAGE)  # fmt: skip

GPU_MEMORY = Metric("palimpsest_gpu_memory_used_bytes", "gauge", "Memory in use on the GPU.",
                    (*STAGE, "gpu"), lives=True)  # fmt: skip
GPU_MEMORY_SIZE = Metric("palimpsest_gpu_memory_size_bytes", "gauge", "Memory of the GPU.",
                         (*STAGE, "gpu"), lives=True)  # fmt: skip
GPU_UTILIZATION = Metric("palimpsest_gpu_utilization_ratio", "gauge",
                         "Share of the last moments in which the GPU ran a kernel, 0 to 1.",
                         (*STAGE, "gpu"), lives=True)  # fmt: skip

TRAINING_STEP = Metric("palimpsest_training_step", "gauge", "Optimiser steps done.", TRAINING)
TRAINING_STEPS = Metric("palimpsest_training_steps", "gauge", "Optimiser steps in all.", TRAINING)
LOSS = Metric("palimpsest_training_loss", "gauge", "Loss of the last step.", TRAINING)
LEARNING_RATE = Metric("palimpsest_training_learning_rate", "gauge",
                       "Learning rate of the last step.", TRAINING)  # fmt: skip
DEV_SCORE = Metric("palimpsest_training_dev_score", "gauge",
                   "Last score on the slice kept apart from training, 0 to 1.",
                   TRAINING)  # fmt: skip
IMAGES = Metric("palimpsest_training_images_total", "counter",
                "Pictures trained on, over all processes.", TRAINING)  # fmt: skip
TRAINING_SECONDS = Metric("palimpsest_training_seconds_total", "counter",
                          "Seconds of optimiser steps.", TRAINING)  # fmt: skip
WAIT_SECONDS = Metric("palimpsest_training_wait_seconds_total", "counter",
                      "Those of the seconds in which no batch was ready.", TRAINING)  # fmt: skip
NONFINITE = Metric("palimpsest_training_nonfinite_losses_total", "counter",
                   "Steps whose loss was no number.", TRAINING)  # fmt: skip

RUN_INFO = Metric("palimpsest_run_info", "gauge", "1, by the run's profile.", ("run", "profile"))
RUN_PLANNED = Metric("palimpsest_run_planned_samples", "gauge",
                     "Samples that the config asks for.", ("run",))  # fmt: skip
RUN_SHARDS = Metric("palimpsest_run_shards", "gauge", "Shards that the plan has.", STAGE)
RUN_COMMITTED = Metric("palimpsest_run_committed_shards", "gauge", "Shards committed.", STAGE)
RUN_SAMPLES = Metric("palimpsest_run_samples_total", "counter",
                     "Samples in committed shards by outcome: ok, or the reason to decline.",
                     ("run", "stage", "family", "outcome"))  # fmt: skip
RUN_FINISHED = Metric("palimpsest_run_finished_samples_total", "counter",
                      "Samples whose fate is settled: kept, filtered or quarantined.",
                      ("run", "fate"))  # fmt: skip
RUN_SECONDS = Metric("palimpsest_run_device_seconds_total", "counter",
                     "Seconds that committed attempts, and killed ones whose batches they took "
                     "over, held a device, cpu or gpu.",
                     ("run", "stage", "family", "device"))  # fmt: skip
RUN_PHASES = Metric("palimpsest_run_phase_seconds_total", "counter",
                    "Seconds of committed attempts by phase.",
                    ("run", "stage", "family", "phase"))  # fmt: skip
RUN_BYTES = Metric("palimpsest_run_bytes_total", "counter", "Bytes of committed tars.",
                   ("run", "stage", "family"))  # fmt: skip
RUN_LAST_COMMIT = Metric("palimpsest_run_last_commit_timestamp_seconds", "gauge",
                         "When the newest shard was committed, in seconds since 1970.",
                         ("run",))  # fmt: skip
RUN_DIVERGENCES = Metric("palimpsest_run_divergences_total", "counter",
                         "Attempts whose bytes were not those committed by another.",
                         ("run", "stage", "family"))  # fmt: skip
RUN_DEFICIT = Metric("palimpsest_run_quota_deficit_samples", "gauge",
                     "Planned turns or samples that a kind of a quota lacks (below zero: has too "
                     "many).", ("run", "quota", "kind"))  # fmt: skip
RUN_SCORE = Metric("palimpsest_run_score", "gauge",
                   "Score of a detector under a condition of a protocol.",
                   ("run", "protocol", "condition", "detector", "task", "subset",
                    "score"))  # fmt: skip
DISK_FREE = Metric("palimpsest_disk_free_bytes", "gauge",
                   "Bytes that may still be written where the runs lie.", ("path",))  # fmt: skip
DISK_SIZE = Metric("palimpsest_disk_size_bytes", "gauge", "Bytes of the disk where the runs lie.",
                   ("path",))  # fmt: skip

#: By name.
ALL = {found.name: found for found in list(globals().values()) if isinstance(found, Metric)}
