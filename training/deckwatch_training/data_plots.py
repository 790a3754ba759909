"""Plots of a data set: who caught what by day and by night, how large it is, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from deckwatch_training.catalogue import Catalogue

# Okabe and Ito's colours, which colour-blind readers tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#9aa5ad"
# More columns than this cannot be read; the smallest vessels are summed up.
_COLUMNS = 36
_SIDES = (8, 16, 32, 64, 96, 128, 256, 512, 1024)
OTHERS = "others"

Cells = Mapping[tuple[str, str, str], int]  # species, vessel, "day" or "night" -> animals


def species_vessels(cells: Cells, codes: Sequence[str], vessels: Sequence[str]) -> Figure:
    """Animals of every species (rows) on every vessel (columns), by day beside by night."""
    times = [time for time in ("day", "night") if any(key[2] == time for key in cells)]
    shown = list(vessels[:_COLUMNS]) + ([OTHERS] if len(vessels) > _COLUMNS else [])
    summed: Counter[tuple[str, str, str]] = Counter()
    for (code, vessel, time), number in cells.items():
        summed[code, vessel if vessel in shown else OTHERS, time] += number
    wide = max(3.2, 0.34 * len(shown) + 1)
    figure = Figure(figsize=(min(16, wide * len(times)), 1.4 + 0.36 * len(codes)))
    most = max(summed.values(), default=1)
    grid = figure.subplots(1, len(times), squeeze=False, sharey=True)[0]
    for axes, time in zip(grid, times, strict=True):
        numbers = np.array([[summed[c, v, time] for v in shown] for c in codes], float)
        # Some species are a thousand times as frequent as others.
        norm = LogNorm(1, max(2, most))
        axes.imshow(
            np.where(numbers > 0, numbers, np.nan), aspect="auto", cmap="viridis", norm=norm
        )
        _numbers(axes, numbers, norm)
        axes.set_xticks(range(len(shown)), shown, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(codes)), codes, fontsize=9)
        axes.set_title(f"{time}: {int(numbers.sum())} animals", fontsize=10)
    return figure


def _numbers(axes: Any, numbers: np.ndarray[Any, Any], norm: Any) -> None:
    size = 7 if numbers.shape[1] > 20 else 8
    for row, column in np.argwhere(numbers > 0):
        value = int(numbers[row, column])
        colour = "black" if norm(value) > 0.6 else "white"
        axes.text(column, row, str(value), ha="center", va="center", color=colour, fontsize=size)


def box_sizes(data: Catalogue, codes: Sequence[str]) -> Figure | None:
    """Side of a square of each box's area, by species; None without boxes."""
    sides = {
        code: [
            (box.width * box.height) ** 0.5
            for entry in data.entries
            for box in entry.boxes
            if box.label == code and box.width > 0 and box.height > 0
        ]
        for code in codes
    }
    shown = [code for code in codes if sides[code]]
    if not shown:
        return None
    figure = Figure(figsize=(8, 1 + 0.42 * len(shown)))
    axes = figure.subplots()
    axes.boxplot(
        [sides[code] for code in shown],
        orientation="horizontal",
        whis=(5, 95),
        showfliers=False,
        medianprops={"color": ORANGE},
    )
    everything = [side for code in shown for side in sides[code]]
    low, high = np.percentile(everything, (1, 99))
    axes.set_yticks(range(1, len(shown) + 1), [f"{code} ({len(sides[code])})" for code in shown])
    axes.set_xscale("log")
    axes.set_xticks(_SIDES, [str(side) for side in _SIDES])
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.8 * low, 1.25 * high)
    for side in (32, 96):  # COCO's borders between small, medium and large
        axes.axvline(side, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("square root of the box's area in pixels; dotted: small, medium, large in COCO")
    axes.invert_yaxis()
    return figure


def before_after(before: Counter[str], after: Counter[str], codes: Sequence[str]) -> Figure:
    """Share of every species before and after."""
    figure = Figure(figsize=(8, 1.2 + 0.4 * len(codes)))
    axes = figure.subplots()
    place = np.arange(len(codes))
    for shift, counted, colour, name in ((-0.2, before, GREY, "before"), (0.2, after, BLUE, "now")):
        total = max(1, sum(counted.values()))
        shares = [100 * counted[code] / total for code in codes]
        axes.barh(place + shift, shares, 0.38, color=colour, label=f"{name} ({total} animals)")
    axes.set_yticks(place, codes)
    axes.invert_yaxis()
    axes.set_xlabel("% of all animals")
    axes.legend(fontsize=8)
    return figure
