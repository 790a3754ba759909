"""The history of a sweep: what was tried, what came of it, what mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deckwatch_serving.pages import Page
from deckwatch_training.evaluation_plots import BLUE, GREY, ORANGE, plain
from deckwatch_training.tuning import Sweep, overrides
from deckwatch_training.tuning_space import Range

Row = Mapping[str, Any]
# Plots side by side.
ACROSS = 3


def page(rows: Sequence[Row], sweep: Sweep, chosen: Mapping[str, Any]) -> Page:
    """The page of `tuning.history`; `chosen` are the values of the best trial."""
    done = [row for row in rows if row["state"] == "complete"]
    stopped = sum(row["state"] == "pruned" for row in rows)
    found = Page(
        f"Sweep of {sweep.base.name}",
        f"{len(rows)} trials ({stopped} stopped early), judged by {sweep.metric} "
        f"({'lower' if sweep.minimise else 'higher'} is better) on the pictures held back from "
        "training; the valid split was not looked at.",
    )
    found.heading("Best")
    found.text(" ".join(overrides(dict(chosen))))
    found.plot(
        _over_time(done, sweep),
        "Each dot is a trial; the line is the best so far. A line that has long been flat says "
        "that more trials will hardly find better.",
    )
    found.plot(
        _by_key(done, sweep),
        "The same trials by each value. A clear slope at an edge says: widen the range there. A "
        "cloud without shape says: this value hardly matters.",
    )
    found.heading("All trials")
    keys = [one.key for one in sweep.space]
    ranked = sorted(rows, key=lambda row: _rank(row, sweep))
    found.table(
        ("trial", sweep.metric, "state", *keys, "seconds"),
        [
            (
                row["number"], "" if row["value"] is None else float(row["value"]), _state(row),
                *(f"{row['values'].get(key, '')}" for key in keys),
                "" if row["seconds"] is None else f"{row['seconds']:.0f}",
            )
            for row in ranked
        ],
    )  # fmt: skip
    return found


def _state(row: Row) -> str:
    words = {"complete": "done", "pruned": "stopped early", "fail": "failed", "running": "running"}
    return words[row["state"]] + (f": {row['error']}" if row["error"] else "")


def _rank(row: Row, sweep: Sweep) -> tuple[bool, float, int]:
    over = row["state"] != "complete"
    value = float(row["value"] or 0.0)
    return over, value if sweep.minimise else -value, row["number"]


def _over_time(done: Sequence[Row], sweep: Sweep) -> Figure:
    figure = Figure(figsize=(8.4, 3.4))
    axes = figure.subplots()
    axes.plot([r["number"] for r in done], [r["value"] for r in done], "o", color=BLUE, alpha=0.7)
    best: list[float] = []
    for row in done:
        better = min if sweep.minimise else max
        best.append(better([*best[-1:], row["value"]]))
    axes.step([r["number"] for r in done], best, color=ORANGE, where="post")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=sweep.metric)
    axes.grid(color="#e3e9ed")
    plain(axes)
    return figure


def _by_key(done: Sequence[Row], sweep: Sweep) -> Figure:
    down = -(-len(sweep.space) // ACROSS)
    across = min(ACROSS, len(sweep.space))
    figure = Figure(figsize=(3.4 * across + 0.6, 2.9 * down))
    grid = figure.subplots(down, across, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(sweep.space):
            axes.set_visible(False)
            continue
        one: Range = sweep.space[place]
        given = [row["values"][one.key] for row in done]
        # Words, and numbers of a list, stand side by side in the list's order.
        x = [one.choices.index(value) for value in given] if one.choices else given
        axes.scatter(x, [row["value"] for row in done], s=18, color=BLUE, alpha=0.7)
        if one.choices:
            axes.set_xticks(range(len(one.choices)), [str(each) for each in one.choices])
            axes.set_xlim(-0.5, len(one.choices) - 0.5)
        elif one.log:
            axes.set_xscale("log")
        axes.set_xlabel(one.key)
        axes.set_ylabel(sweep.metric if place % ACROSS == 0 else "", color=GREY)
        axes.grid(color="#e3e9ed")
        plain(axes)
    figure.tight_layout()
    return figure
