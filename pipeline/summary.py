"""What a run comes to, in words: the table of `palimpsest audit`, the last lines of `run`."""

from __future__ import annotations

from pipeline.audit import Audit
from pipeline.config import Config
from pipeline.shards import RunFolder


def as_text(found: Audit) -> str:
    """The table that `palimpsest audit` prints."""
    width = max(len(name) for name in found.stages)
    head = (
        f"{'stage':<{width}} {'shards':>6} {'in':>6} {'out':>6} {'filt':>6} {'quar':>6} {'sec':>8}"
    )
    lines = [head]
    for name, row in found.stages.items():
        why = ", ".join(f"{reason} {n}" for reason, n in row.reasons.items())
        cells = (row.shards, row.taken, row.out, row.filtered, row.quarantined)
        counts = " ".join(f"{cell:>6}" for cell in cells)
        lines.append(f"{name:<{width}} {counts} {row.seconds:>8.1f}  {why}".rstrip())
    lines += [f"FAULT {text}" for text in found.faults]
    lines += [f"missing: {text}" for text in found.missing[:10]]
    if len(found.missing) > 10:
        lines.append(f"missing: ... and {len(found.missing) - 10} more")
    verdict = "faults" if found.faults else "incomplete" if found.missing else "complete"
    lines.append(f"audit: {verdict}" + (f", dataset digest {found.digest}" if found.digest else ""))
    return "\n".join(lines)


def closing(found: Audit, config: Config, run: RunFolder, computed: int, seconds: float) -> str:
    """What `palimpsest run` says last: what came of it, and where it lies."""
    totals = {
        split: found.stages[f"assemble-{split}"].out for split in ("train", "val", "filtered")
    }
    where = run.path.resolve()
    lines = [
        f"{computed} steps computed, {seconds:.0f} s. Kept {totals['train']} training and "
        f"{totals['val']} validation samples; {totals['filtered']} filtered ones lie apart.",
        f"  report    {where / 'report.html'}",
        f"  dataset   {where / 'dataset'}   (plain webdataset; digest {found.digest[:16]})",
        f"  check it  palimpsest audit {run.path}",
    ]
    if config.editing.weights == "tiny":
        lines.append("  note      tiny random weights paint noise: the scores test the machinery, "
                     "not detection")  # fmt: skip
    lines += [f"  FAULT     {text}" for text in found.faults]
    return "\n".join(lines)
