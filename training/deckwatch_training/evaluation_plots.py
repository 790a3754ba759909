"""The pictures of a scorecard's page, drawn from the scorecard alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deckwatch_training.competition import WINNERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, BLUE, ORANGE, GREY = "#1b2730", "#1f6f9f", "#d9822b", "#8a98a3"
# Vessels whose names stand beside their dots.
NAMED = 5


def plain(axes: Axes) -> None:
    """Leave out the lines of a frame that carry nothing."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK)
    axes.set_axisbelow(True)


def reliability(parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """How often the answer is right, by how sure it was; one panel for each of `parts`."""
    figure = Figure(figsize=(4.4 * len(parts), 5.2))
    grid = figure.add_gridspec(2, len(parts), height_ratios=(3, 1), hspace=0.08, wspace=0.28)
    for i, (title, rows) in enumerate(parts.items()):
        axes = figure.add_subplot(grid[0, i])
        below = figure.add_subplot(grid[1, i], sharex=axes)
        sure = [row["confidence"] for row in rows]
        right = [row["accuracy"] for row in rows]
        count = np.array([row["count"] for row in rows], float)
        axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--")
        axes.plot(sure, right, color=BLUE, linewidth=1)
        # A bin of few rows is noise: the size of its dot says so.
        sizes = 12 + 130 * count / max(count.max(initial=1), 1)
        axes.scatter(sure, right, s=sizes, color=BLUE, alpha=0.85, zorder=3)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), title=title, ylabel="share that is right")
        axes.tick_params(labelbottom=False)
        width = [row["high"] - row["low"] for row in rows]
        below.bar([row["low"] for row in rows], count, width, align="edge", color=GREY, alpha=0.7)
        below.set(xlabel="likelihood of the answer", ylabel="rows")
        for each in (axes, below):
            plain(each)
            each.grid(color="#e3e9ed", linewidth=0.8)
    return figure


def confusion(
    table: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str], title: str
) -> Figure:
    """A confusion matrix: counts, shaded by their share of the row (the truth)."""
    side = 0.62
    figure = Figure(figsize=(2.2 + side * len(columns), 1.6 + side * len(rows)))
    axes = figure.subplots()
    total = table.sum(1, keepdims=True)
    share = table / np.maximum(total, 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    for y in range(len(rows)):
        for x in range(len(columns)):
            if table[y, x]:
                colour = "white" if share[y, x] > 0.55 else INK
                axes.text(x, y, f"{table[y, x]}", ha="center", va="center", color=colour, size=9)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(
        range(len(rows)), [f"{name} ({n})" for name, n in zip(rows, total[:, 0], strict=True)]
    )
    axes.set(xlabel="answer", ylabel="truth (how many)", title=title)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    return figure


def classes(
    section: Mapping[str, Any], codes: Sequence[str], title: str, *, winners: bool = False
) -> Figure:
    """Recall and precision of every class with their intervals, the winners' recalls beside."""
    figure = Figure(figsize=(8.4, 1.5 + 0.46 * len(codes)))
    axes = figure.subplots()
    place = np.arange(len(codes))[::-1].astype(float)
    for name, colour, shift in (("recall", BLUE, 0.12), ("precision", ORANGE, -0.12)):
        _dots(axes, section, codes, name, place + shift, colour)
    if winners:
        _winners(axes, codes, place)
    axes.set_yticks(place, codes)
    axes.set(xlim=(-0.02, 1.02), xlabel="share", title=title, ylim=(-0.6, len(codes) - 0.4))
    axes.grid(axis="x", color="#e3e9ed")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    plain(axes)
    return figure


def _dots(
    axes: Axes,
    section: Mapping[str, Any],
    codes: Sequence[str],
    name: str,
    place: NDArray[np.float64],
    colour: str,
) -> None:
    label: str | None = name
    for code, y in zip(codes, place, strict=True):
        value = section[name].get(code)
        if value is None:
            continue
        low, high = section[f"{name}_interval"].get(code, (None, None))
        if low is not None:
            axes.plot((low, high), (y, y), color=colour, linewidth=2, alpha=0.45)
        axes.plot(value, y, "o", color=colour, label=label)
        label = None  # once in the legend


def _winners(axes: Axes, codes: Sequence[str], place: NDArray[np.float64]) -> None:
    for entrant, mark in zip(WINNERS, ("D", "s", "^", "|"), strict=False):
        found = [entrant.recall[code] for code in codes]
        axes.plot(
            found, place + 0.3, mark, color=GREY, markersize=5 if mark != "|" else 10,
            label=f"recall, {entrant.name}", alpha=0.8,
        )  # fmt: skip


def estimates(
    rows: Sequence[tuple[str, Sequence[float | None]]], xlabel: str, title: str
) -> Figure:
    """Values with their intervals, one a line, from the top."""
    figure = Figure(figsize=(7.6, 1.3 + 0.3 * len(rows)))
    axes = figure.subplots()
    for y, (_, (value, low, high)) in zip(range(len(rows))[::-1], rows, strict=True):
        if low is not None and high is not None:
            axes.plot((low, high), (y, y), color=BLUE, linewidth=2, alpha=0.45)
        if value is not None:
            axes.plot(value, y, "o", color=BLUE)
    axes.set_yticks(range(len(rows))[::-1], [name for name, _ in rows])
    axes.set(xlabel=xlabel, title=title, ylim=(-0.6, len(rows) - 0.4))
    axes.grid(axis="x", color="#e3e9ed")
    plain(axes)
    return figure


def vessels(parts: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Every vessel: how many pictures, how bad the answers are; the worst are named."""
    figure = Figure(figsize=(8.4, 4.2))
    axes = figure.subplots()
    shown = [
        (part["pictures"], part["log_loss"][0], part["night"] / part["pictures"], name)
        for name, part in parts.items()
        if part["log_loss"][0] is not None
    ]
    shown.sort(key=lambda row: (-row[1], row[3]))
    if not shown:
        return figure
    count, loss, night, names = zip(*shown, strict=True)
    dots = axes.scatter(
        count, loss, c=night, cmap="cividis_r", vmin=0, vmax=1, edgecolor=INK, linewidth=0.5
    )
    for x, y, name in list(zip(count, loss, names, strict=True))[:NAMED]:
        axes.annotate(name, (x, y), xytext=(7, -3), textcoords="offset points", size=9)
    if max(count) > 20 * min(count):
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="pictures of the vessel", ylabel="log loss (lower is better)")
    axes.set_ylim(bottom=0)
    axes.grid(color="#e3e9ed")
    figure.colorbar(dots, ax=axes, label="share taken at night", shrink=0.8)
    plain(axes)
    return figure
