"""A run's log as a picture: losses on the left, what was measured on held-back pictures right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In the log, but no curve of the training: times, and the threshold of the best F1.
NO_CURVE = frozenset({"epoch", "seconds", "images_per_s", "threshold"})
# Measures over 1, where lower is better, share the axis of the losses.
LOSSES = ("loss",)


def draw(rows: Sequence[dict[str, float]], title: str) -> Figure:
    """The curves of a log's rows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in NO_CURVE))
    measured = _measured(rows)
    for name in names:
        axes = right if name in measured and not name.endswith(LOSSES) else left
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        sparse = len(points) < 30
        axes.plot(*zip(*points, strict=True), label=name, marker="." if sparse else None)
    for axes, words in ((left, "loss"), (right, "on held-back pictures")):
        _finish(axes, words)
    figure.suptitle(title)
    return figure


def _measured(rows: Sequence[dict[str, float]]) -> set[str]:
    """What stands in the rows of validations only, or comes after the losses of the others."""
    kept = [set(row) for row in rows]
    always = set.intersection(*kept) if kept else set()
    found = set().union(*kept) - always
    if found:
        return found
    # Every epoch was validated: the task's own losses come first, the metrics follow "loss".
    known = ("ap50", "ap", "f1", "macro_recall", "accuracy", "log_loss")
    return {name for name in always if name in known}


def _finish(axes: Axes, words: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_title(words)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def write(rows: Sequence[dict[str, float]], path: Path, title: str) -> None:
    """Write the picture (PNG), moved into place whole."""
    part = path.with_name(path.name + ".part")
    draw(rows, title).savefig(part, format="png", dpi=110, metadata={"Software": ""})
    part.replace(path)
