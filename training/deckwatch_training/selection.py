"""The best of several candidates: how good on unseen vessels, how fast on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deckwatch_training.candidates import METRICS, Row, measure
from deckwatch_vision.errors import DeckwatchError, UsageError

__all__ = ["METRICS", "TIME", "Budget", "Choice", "choose", "measure", "pareto"]

TIME = "time"


@dataclass(frozen=True)
class Budget:
    """What `choose` is asked for; see there."""

    max_ms: float | None = None
    max_log_loss: float | None = None
    metric: str | None = None
    percentile: int = 50


@dataclass(frozen=True)
class Choice:
    """The candidate that was chosen, and why.

    ranked: those within the budget, the best first; pareto: those that no other beats in both time
    and metric; alike: those within the budget that the data cannot tell from the best, because
    the intervals overlap.
    """

    name: str
    metric: str
    ranked: tuple[str, ...]
    pareto: tuple[str, ...]
    alike: tuple[str, ...]
    words: str


def choose(
    rows: Sequence[Row],
    *,
    max_ms: float | None = None,
    max_log_loss: float | None = None,
    metric: str | None = None,
    percentile: int = 50,
) -> Choice:
    """The best candidate within the budget; the same rows always give the same choice.

    Best is the lowest log loss of pictures, or the shortest time where only `max_log_loss` is
    given; of equals the faster one, then the name that comes first.

    Args:
        rows: `measure`'s candidates.
        max_ms: longest time of a picture.
        max_log_loss: highest log loss of pictures.
        metric: a name in METRICS, or "time".
        percentile: which time counts, 50 or 95.

    Raises:
        UsageError: no such metric or percentile, or no candidate was measured by it.
        DeckwatchError: no candidate is within the budget; the message names the nearest.
    """
    if metric is None:
        metric = TIME if max_log_loss is not None and max_ms is None else "log_loss"
    if metric != TIME and metric not in METRICS:
        raise UsageError(f"No metric {metric!r}. Use one of {', '.join(METRICS)}, {TIME}.")
    if percentile not in (50, 95):
        raise UsageError(f"No percentile {percentile}: times are kept as p50 and p95.")
    key = f"p{percentile}_ms"
    other = "log_loss" if metric == TIME else metric
    known = [row for row in rows if row[other] is not None]
    if max_log_loss is not None:
        known = [row for row in known if row["log_loss"] is not None]
    if not known:
        raise UsageError(f"No candidate has {other} in its scorecard. Measure them with --data.")
    limits = {key: max_ms, "log_loss": max_log_loss}
    fitting = [row for row in known if not _over(row, limits)]
    if not fitting:
        raise _nothing_fits(known, limits)
    ranked = sorted(fitting, key=lambda row: (_cost(row, metric, key), row[key], row["name"]))
    best = ranked[0]
    return Choice(
        best["name"],
        metric,
        tuple(row["name"] for row in ranked),
        pareto(known, other, key),
        tuple(row["name"] for row in ranked[1:] if metric != TIME and _overlap(row, best, metric)),
        _words(best, metric, key, limits),
    )


def _cost(row: Row, metric: str, key: str) -> float:
    if metric == TIME:
        return float(row[key])
    value = float(row[metric])
    return -value if METRICS[metric][2] else value


def pareto(rows: Sequence[Row], metric: str, key: str) -> tuple[str, ...]:
    """Candidates that no other beats in time and metric at once, the fastest first."""
    front = []
    best = float("inf")
    for row in sorted(rows, key=lambda r: (r[key], _cost(r, metric, key), r["name"])):
        if _cost(row, metric, key) < best:
            best = _cost(row, metric, key)
            front.append(row["name"])
    return tuple(front)


def _over(row: Row, limits: Mapping[str, float | None]) -> dict[str, float]:
    """By how much, as a share of it, a candidate is over each limit."""
    return {
        key: row[key] / limit - 1 if limit else float("inf")
        for key, limit in limits.items()
        if limit is not None and row[key] > limit
    }


def _nothing_fits(rows: Sequence[Row], limits: Mapping[str, float | None]) -> DeckwatchError:
    nearest = min(rows, key=lambda row: (sum(_over(row, limits).values()), row["name"]))
    budget = " and ".join(
        f"{_NAMES[key]} of at most {limit:g}" for key, limit in limits.items() if limit is not None
    )
    has = " and ".join(f"{_NAMES[key]} of {nearest[key]:g}" for key in _over(nearest, limits))
    return DeckwatchError(
        f"No candidate has {budget}. The nearest is {nearest['name']} with {has}. Raise the limit, "
        "or train a candidate that fits it."
    )


_NAMES = {"p50_ms": "a p50 in ms", "p95_ms": "a p95 in ms", "log_loss": "a log loss"}


def _overlap(row: Row, best: Row, metric: str) -> bool:
    low, high = row["intervals"][metric]
    its_low, its_high = best["intervals"][metric]
    if None in (low, high, its_low, its_high):
        return bool(row[metric] == best[metric])
    return bool(low <= its_high and its_low <= high)


def _words(best: Row, metric: str, key: str, limits: Mapping[str, float | None]) -> str:
    what = f"shortest {key[:3]}" if metric == TIME else (
        f"{'highest' if METRICS[metric][2] else 'lowest'} {metric.replace('_', ' ')}"
    )  # fmt: skip
    given = [
        f"{'log loss' if name == 'log_loss' else name[:3]} up to {limit:g}"
        + ("" if name == "log_loss" else " ms")
        for name, limit in limits.items()
        if limit is not None
    ]
    under = f" among those with {' and '.join(given)}" if given else ""
    return (
        f"{best['name']} has the {what}{under}: log loss {_shown(best['log_loss'])}, p50 "
        f"{best['p50_ms']:g} ms, p95 {best['p95_ms']:g} ms."
    )


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4f}"
