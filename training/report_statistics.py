"""The paper's Figure 3 for this run: what was painted, how large, by whom, how often.

in    the samples of the splits train and val, the config
out   six `Plot`s, (a) to (f); of an imported dataset, the two that can be told from label maps
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.config import Config
from pipeline.documents import Edit
from training.report_data import Kept
from training.report_plots import INK, MAIN, SECOND, SHADES, Plot, bars, draw, plain, whole

CATEGORIES = 12


def plots(samples: Sequence[Kept], config: Config) -> list[Plot]:
    """All six; `samples` has at least one edit."""
    edits = [edit for kept in samples for edit in kept.sample.edits]
    kinds = Counter(
        kept.sample.regions[edit.region].category for kept in samples for edit in kept.sample.edits
    )
    types = Counter(edit.edit for edit in edits)
    if config.imported:
        return [_areas(edits), _shown(edits, config)]
    return [
        _counts("(a) Edits by category of object", "What was painted over.", _top(kinds)),
        _areas(edits),
        _families(edits, config),
        _turns(samples, config),
        _bases(samples, config),
        _counts("(f) Edits by type", "An addition removes what was there, then adds.",
                [(str(name), types[name]) for name in sorted(config.edit_types)]),
    ]  # fmt: skip


def _shown(edits: Sequence[Edit], config: Config) -> Plot:
    counts = Counter(edit.family for edit in edits)
    rows = [
        (name, counts[name]) for name in sorted(config.families, key=config.families.__getitem__)
    ]
    return _counts("(c) Pictures by family", "In how many pictures it is seen; turns, objects and "
                   "bases were not published.", rows)  # fmt: skip


def _top(kinds: Counter[str]) -> list[tuple[str, int]]:
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in ordered[CATEGORIES:])
    return ordered[:CATEGORIES] + ([("all others", rest)] if rest else [])


def _counts(title: str, caption: str, rows: Sequence[tuple[str, int]]) -> Plot:
    """Horizontal bars of whole numbers. Names may be anything; two may look alike once cut."""

    def paint(axes: Axes) -> None:
        numbers = [float(n) for _, n in rows]
        bars(axes, [str(i) for i in range(len(rows))], numbers, [f"{n:,}" for _, n in rows])
        axes.set_yticks(range(len(rows)), [plain(name) for name, _ in rows])

    said = ", ".join(f"{plain(name)} {n}" for name, n in rows)
    return draw(title, caption, f"{title}: {said}", paint, (4.3, max(2.9, 0.27 * len(rows) + 0.3)))


def _areas(edits: Sequence[Edit]) -> Plot:
    title = "(b) Size of the painted regions"
    areas = np.array([edit.area for edit in edits])
    edges = np.linspace(0, max(0.05, np.ceil(areas.max() * 20) / 20), 21)

    def paint(axes: Axes) -> None:
        axes.hist(areas, bins=edges.tolist(), color=MAIN, rwidth=0.92)
        axes.set_xlabel("mask area / picture area")
        axes.set_ylabel("edits")
        axes.grid(axis="y")
        whole(axes.yaxis)
        axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g}%")

    caption = f"Mean {areas.mean():.1%}, median {np.median(areas):.1%} of the picture."
    return draw(title, caption, f"{title}, a histogram. {caption}", paint)


def _families(edits: Sequence[Edit], config: Config) -> Plot:
    title = "(c) Edits by family and turn"
    names = sorted(config.families, key=config.families.__getitem__)
    counts = Counter((edit.family, edit.turn) for edit in edits)
    turns = sorted({*config.turns, *(edit.turn for edit in edits)})

    def paint(axes: Axes) -> None:
        left = np.zeros(len(names))
        for turn in turns:
            found = np.array([counts[name, turn] for name in names])
            axes.barh(names, found, left=left, color=SHADES[min(turn, 4) - 1], height=0.72,
                      edgecolor=INK, linewidth=0.3, label=f"turn {turn}")  # fmt: skip
            left += found
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        whole(axes.xaxis)
        axes.grid(axis="x")
        axes.figure.legend(loc="outside upper left", ncols=len(turns), handlelength=1)

    said = "; ".join(f"{n} " + ", ".join(str(counts[n, t]) for t in turns) for n in names)
    height = max(2.9, 0.23 * len(names) + 0.9)
    caption = "Every family should take its turn."
    return draw(title, caption, f"{title}: {said}", paint, (4.3, height))


def _turns(samples: Sequence[Kept], config: Config) -> Plot:
    counts = Counter(len(kept.sample.edits) for kept in samples)
    total = sum(config.turns.values())
    wanted = {turn: config.turns[turn] / total for turn in sorted(config.turns)}
    ratio = " : ".join(f"{config.turns[turn]:g}" for turn in wanted)
    rows = [(f"{turn} turn{'s' * (turn > 1)}", counts[turn], share)
            for turn, share in wanted.items()]  # fmt: skip
    rest = sum(n for turn, n in counts.items() if turn not in wanted)
    rows += [("no turn", rest, 0.0)] if rest else []
    return _targets("(d) Pictures by number of turns", f"Planned as {ratio}; turns that failed "
                    "their gates and samples that were filtered move it.", rows)  # fmt: skip


def _bases(samples: Sequence[Kept], config: Config) -> Plot:
    counts = Counter(kept.sample.source.base for kept in samples)
    share = config.bases.ai_share
    rows = [("real photograph", counts["real"], 1 - share), ("AI-made", counts["ai"], share)]
    rest = sum(n for base, n in counts.items() if base not in ("real", "ai"))
    rows += [("not known", rest, 0.0)] if rest else []
    return _targets("(e) Pictures by what lies beneath", f"{share:.1%} are planned to be AI-made "
                    "from a caption.", rows)  # fmt: skip


def _targets(title: str, caption: str, rows: Sequence[tuple[str, int, float]]) -> Plot:
    """Columns with a mark at the share that was planned."""
    total = sum(n for _, n, _ in rows)

    def paint(axes: Axes) -> None:
        spots = range(len(rows))
        axes.bar(spots, [n for _, n, _ in rows], color=MAIN, width=0.62, label="in the dataset")
        for i, (_, _, share) in enumerate(rows):
            axes.hlines(share * total, i - 0.42, i + 0.42, color=SECOND, linewidth=2.2,
                        label="" if i else "planned")  # fmt: skip
        # Numbers stand below the columns: on them a low column would cut its own, or the mark.
        axes.set_xticks(spots, [f"{name}\n{n:,} of {total:,}" for name, n, _ in rows])
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("pictures")
        axes.grid(axis="y")
        whole(axes.yaxis)
        axes.figure.legend(loc="outside upper left", ncols=2, handlelength=1)

    said = ", ".join(f"{name} {n} (planned {share:.0%})" for name, n, share in rows)
    return draw(title, caption, f"{title}: {said}", paint)
