"""What candidates cost and are worth: a Pareto plot and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from deckwatch_serving.pages import Page
from deckwatch_training.evaluation import write_json
from deckwatch_training.evaluation_page import estimate
from deckwatch_training.evaluation_plots import BLUE, GREY, INK, ORANGE, plain
from deckwatch_training.selection import METRICS, TIME, Budget, Choice, choose, pareto
from deckwatch_training.tables import table
from deckwatch_vision.errors import DeckwatchError, UsageError

HEAD = ("candidate", "log loss", "accuracy", "macro recall", "mAP50", "p50 ms", "p95 ms", "")


def text(document: Mapping[str, Any], choice: Choice | None) -> str:
    """The table for the terminal."""
    rows: list[list[object]] = [
        [
            row["name"],
            *(_number(row[metric]) for metric in ("log_loss", "accuracy", "macro_recall", "map50")),
            f"{row['p50_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            _mark(row["name"], choice),
        ]
        for row in document["candidates"]
    ]
    return table(HEAD, rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _mark(name: str, choice: Choice | None) -> str:
    if choice is None:
        return ""
    if name == choice.name:
        return "chosen"
    return "" if name in choice.ranked else "over the budget"


def decide(document: dict[str, Any], budget: Budget, out: Path) -> Choice:
    """Choose, and write `out`/selection.json and its page, also where nothing fits.

    Adds to the measurements `chosen` (None where nothing fits), `words`, `pareto` and the budget.

    Raises:
        UsageError, DeckwatchError: see `selection.choose`.
    """
    choice, refusal = None, None
    try:
        choice = choose(document["candidates"], **asdict(budget))
    except UsageError:
        raise
    except DeckwatchError as error:
        refusal = error
    document |= {
        "chosen": choice.name if choice else None,
        "words": choice.words if choice else refusal and refusal.message,
        "pareto": list(choice.pareto) if choice else [],
        "budget": asdict(budget),
    }
    write_json(out / "selection.json", document)
    page(document, choice, budget).write(out / "selection.html")
    if choice is None:
        raise refusal or DeckwatchError("Nothing was chosen.")
    return choice


def page(document: Mapping[str, Any], choice: Choice | None, budget: Budget) -> Page:
    """The page of a document that `decide` has completed."""
    data, machine = document["data"], document["hardware"]
    found = Page(
        "Choice of a release",
        f"{len(document['candidates'])} candidates on {data.get('pictures', 0)} pictures of "
        f"{data.get('vessels', 0)} vessels (split {data.get('split', '?')}); times of "
        f"{document['pictures']} pictures, {document['repeats']} times each, on "
        f"{machine['processor']}, {machine['cores']} cores.",
    )
    found.heading("Chosen" if choice else "Nothing fits")
    found.text(document["words"])
    if choice and choice.alike:
        found.text(
            f"The data cannot tell it from {', '.join(choice.alike)}: the intervals overlap. More "
            "vessels in the valid split would."
        )
    shown = choice.metric if choice else budget.metric
    shown = "log_loss" if shown in (None, TIME) else shown
    found.plot(
        pareto_plot(document["candidates"], choice, str(shown), budget),
        "Each dot is a candidate with its 95 % interval over vessels. No candidate on the line is "
        "beaten by another in both time and quality.",
    )
    found.table(
        ("candidate", "detector", "classifier", *HEAD[1:]),
        [
            (
                row["name"], row["detector"], row["classifier"],
                *(_estimate(row, m) for m in ("log_loss", "accuracy", "macro_recall", "map50")),
                f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", _mark(row["name"], choice),
            )
            for row in document["candidates"]
        ],
    )  # fmt: skip
    found.text(
        "A time is that of one picture on its whole way in one process, decoding included, with "
        "the exported nets and the runtime that production chooses on this machine: "
        + ", ".join(sorted({row["runtime"] for row in document["candidates"]}))
        + ". The candidates took turns on every picture."
    )
    return found


def _estimate(row: Mapping[str, Any], metric: str) -> str:
    return estimate((row[metric], *row["intervals"][metric]))


def pareto_plot(
    rows: Sequence[Mapping[str, Any]],
    choice: Choice | None,
    metric: str,
    budget: Budget,
) -> Figure:
    """Quality over time, with the budget and the candidates that none beats in both."""
    key = f"p{budget.percentile}_ms"
    known = [row for row in rows if row[metric] is not None]
    figure = Figure(figsize=(8.4, 4.8))
    axes = figure.subplots()
    names = pareto(known, metric, key)
    front = sorted((row for row in known if row["name"] in names), key=lambda row: row[key])
    axes.plot(
        [row[key] for row in front], [row[metric] for row in front],
        color=GREY, linewidth=1.2, linestyle="--", zorder=1,
    )  # fmt: skip
    for row in known:
        chosen = choice is not None and row["name"] == choice.name
        colour = ORANGE if chosen else BLUE if _mark(row["name"], choice) == "" else GREY
        low, high = row["intervals"][metric]
        if low is not None and high is not None:
            axes.plot((row[key], row[key]), (low, high), color=colour, alpha=0.4, linewidth=2)
        axes.plot(row[key], row[metric], "o", color=colour, markersize=9 if chosen else 6)
        axes.annotate(
            row["name"] + (" (chosen)" if chosen else ""), (row[key], row[metric]),
            xytext=(8, 5), textcoords="offset points", size=9, color=INK,
        )  # fmt: skip
    if budget.max_ms is not None:
        axes.axvline(budget.max_ms, color=ORANGE, linewidth=1, linestyle=":")
    if budget.max_log_loss is not None and metric == "log_loss":
        axes.axhline(budget.max_log_loss, color=ORANGE, linewidth=1, linestyle=":")
    better = "higher" if METRICS[metric][2] else "lower"
    axes.set(
        xlabel=f"p{budget.percentile} of one picture, ms",
        ylabel=f"{metric.replace('_', ' ')} ({better} is better)",
    )
    axes.set_xlim(left=0)
    axes.margins(x=0.15)
    axes.grid(color="#e3e9ed")
    plain(axes)
    return figure
