"""What a run comes to, in words: the table of `palimpsest audit`, the last lines of `run`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline import runs
from pipeline.audit import Audit
from pipeline.config import Config
from pipeline.errors import to_repair
from pipeline.fates import FATES
from pipeline.shards import RunFolder

#: Stages that answer for one turn: what they decline costs a turn, not the sample.
TURNS = ("prompt-", "edit-", "replay-")
#: Missing shards that are told one by one.
SHOWN = 10


def declined(found: Audit) -> dict[str, int]:
    """Samples that were planned and are in neither train nor val, by reason, the frequent first.
    Photographs that nobody was to edit are no samples."""
    return _reasons(found, of_turns=False)


def skipped(found: Audit) -> dict[str, int]:
    """Turns that did not count, by reason, the frequent first."""
    return _reasons(found, of_turns=True)


def _reasons(found: Audit, of_turns: bool) -> dict[str, int]:
    total: Counter[str] = Counter()
    for name, row in found.stages.items():
        if name != "reals" and name.startswith(TURNS) == of_turns:
            total.update(row.reasons)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def listed(reasons: Mapping[str, int]) -> str:
    """`3 low-score, 1 no-regions`."""
    return ", ".join(f"{n:,} {reason}" for reason, n in reasons.items()) or "none"


def lacking(missing: Sequence[str]) -> list[str]:
    """A line for each of the first shards that are missing, and how many more there are."""
    lines = [f"missing: {text}" for text in missing[:SHOWN]]
    if len(missing) > SHOWN:
        lines.append(f"missing: ... and {len(missing) - SHOWN} more")
    return lines


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
    lines += lacking(found.missing)
    if found.faults:
        rest = (f": `palimpsest verify {shlex.quote(found.run)}` says all that is damaged, "
                f"{to_repair(found.run)} makes good what it can")  # fmt: skip
    else:
        rest = f", dataset digest {found.digest}" if found.digest else ""
    lines.append(f"audit: {found.verdict}{rest}")
    return "\n".join(lines)


def closing(found: Audit, config: Config, run: RunFolder, computed: int, seconds: float) -> str:
    """What `palimpsest run` says last: what came of it, and where it lies."""
    where = run.path.resolve()
    lines = [f"{computed} steps computed, {seconds:.0f} s. {_kept(found, config)}"]
    reasons, turns = declined(found), skipped(found)
    if reasons:
        lines.append(f"  declined  {listed(reasons)}")
    if turns:
        lines.append(f"  skipped   {sum(turns.values()):,} turns ({listed(turns)}); each sample "
                     "went on from its last good picture")  # fmt: skip
    if ignored := runs.begun(run.path).get("ignored", {}):
        kinds = ", ".join(f"{n:,} {suffix or 'without a suffix'}" for suffix, n in ignored.items())
        lines.append(f"  left out  files of other kinds among the photographs: {kinds}")
    lines += [
        *([f"  report    {where / 'report.html'}"] if (where / "report.html").exists() else []),
        f"  dataset   {where / 'dataset'}   (plain webdataset"
        + (f"; digest {found.digest[:16]})" if found.digest else ")"),
        f"  check it  palimpsest audit {shlex.quote(str(run.path))}",
    ]
    if config.editing.weights == "tiny":
        lines.append("  note      tiny random weights paint noise: the scores test the machinery, "
                     "not detection")  # fmt: skip
    lines += [f"  FAULT     {text}" for text in found.faults]
    return "\n".join(lines)


def _kept(found: Audit, config: Config) -> str:
    train, val = (found.stages[f"assemble-{split}"].out for split in ("train", "val"))
    said = (f"Of {config.samples:,} planned samples {found.samples['kept']:,} were kept "
            f"({train:,} to train with, {val:,} to validate)")  # fmt: skip
    rest = [f"{found.samples[fate]:,} {fate}" for fate in FATES[1:]
            if fate != "undecided" or found.samples[fate]]  # fmt: skip
    return ", ".join([said, *rest]) + "."
