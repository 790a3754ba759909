"""Every arm in turn, over and over, at every size and number of clients."""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.asking import Asking, BenchmarkError, Turn
from benchmarks.servers import Arm, Running
from benchmarks.settings import CLIENTS, SIZES, Settings
from deckwatch_serving import probe
from deckwatch_serving.cores import available_cores
from deckwatch_serving.triton import EmbeddedTriton

BARE = "bare"
STEPS = ("detect", "classifier", "fuse", "deckwatch")
# Triton's names for where a request's time goes.
PHASES = ("queue", "compute_input", "compute_infer", "compute_output")
# Answers of the arms at equal precision differ by no more.
TOLERANCE = 1e-4

Condition = tuple[str, int]


def measure(running: Running, pictures: dict[str, list[str]], settings: Settings) -> dict[str, Any]:
    """Interleaved turns of all arms.

    Returns:
        "serving": a row for each size, number of clients and arm. "triton_steps": what Triton says
        of its own steps during the turns of the arm `triton`.

    Raises:
        BenchmarkError: an arm fails, or answers otherwise than the others.
    """
    names = [arm.name for arm in running.arms]
    turns: dict[tuple[str, int, str], list[Turn]] = {}
    steps: dict[Condition, list[dict[str, Any]]] = {}
    with Asking(running.arms, pictures) as asking:
        for size in SIZES:
            _compare(asking, running.arms, size, len(pictures[size]))
        amounts = _amounts(asking, pictures, settings)
        for turn in range(settings.rounds):
            sys.stderr.write(f"bench: round {turn + 1} of {settings.rounds}\n")
            first = turn % len(names)
            for size, clients in itertools.product(SIZES, CLIENTS):
                for name in names[first:] + names[:first]:
                    before = _statistics(running.triton) if name == "triton" else None
                    taken = asking.turn(name, size, clients, amounts[size, clients])
                    turns.setdefault((size, clients, name), []).append(taken)
                    if before:
                        passed = _difference(before, _statistics(running.triton))
                        steps.setdefault((size, clients), []).append(passed)
    return {
        "requests_per_turn": [
            {"size": size, "clients": clients, "requests": amount}
            for (size, clients), amount in amounts.items()
        ],
        "serving": [
            _row(size, clients, name, taken, turns[size, clients, BARE])
            for (size, clients, name), taken in turns.items()
        ],
        "triton_steps": [
            row
            for (size, clients), passed in steps.items()
            for row in _steps(size, clients, passed)
        ],
    }


def _compare(asking: Asking, arms: list[Arm], size: str, count: int) -> None:
    """Make sure that the arms do the same work: the same answers; also warms all of them up."""
    expected = asking.answers(BARE, size, count)
    for arm in arms:
        given = asking.answers(arm.name, size, count)
        apart = max(
            abs(mine[label] - theirs[label])
            for mine, theirs in zip(expected, given, strict=True)
            for label in mine
        )
        if arm.equal and apart > TOLERANCE:
            raise BenchmarkError(
                f"{arm.name} answers {size} pictures otherwise than {BARE}: likelihoods differ by "
                f"{apart:.2g}, at most {TOLERANCE:g} was expected. Timing it would compare "
                "different work."
            )


def _amounts(
    asking: Asking, pictures: dict[str, list[str]], settings: Settings
) -> dict[Condition, int]:
    """Requests of one turn, the same for every arm: whole passes over the pictures."""
    amounts = {}
    for size in SIZES:
        count = len(pictures[size])
        p50 = asking.turn(BARE, size, 1, 2 * count).p50
        for clients in CLIENTS:
            wanted = settings.block_s * min(clients, available_cores()) / p50
            # Each client's first request is left out, and as many at the end.
            least = 2 * clients + 2
            amounts[size, clients] = count * max(1, round(wanted / count), -(-least // count))
    return amounts


def _row(size: str, clients: int, arm: str, turns: list[Turn], bare: list[Turn]) -> dict[str, Any]:
    row: dict[str, Any] = {"size": size, "clients": clients, "arm": arm}
    for name, unit, factor in (("p50", "_ms", 1e3), ("p10", "_ms", 1e3), ("throughput", "", 1.0)):
        values = [asdict(turn)[name] for turn in turns]
        ratios = [value / asdict(base)[name] for value, base in zip(values, bare, strict=True)]
        row[name + unit] = round(statistics.median(values) * factor, 3)
        row[f"{name}_ratio"] = spread(ratios)
    return row


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": round(median, 4), "low": round(low, 4), "high": round(high, 4)}


def _statistics(triton: EmbeddedTriton) -> dict[str, Any]:
    """Triton's running totals: requests, executions, and nanoseconds by step and phase."""
    totals = {}
    for step in STEPS:
        _, body = probe.request(triton.http_port, "GET", f"/v2/models/{step}/stats")
        (found,) = json.loads(body)["model_stats"]
        totals[step] = {
            "requests": int(found["inference_stats"]["success"]["count"]),
            "executions": int(found["execution_count"]),
            "total": int(found["inference_stats"]["success"]["ns"]),
            **{phase: int(found["inference_stats"][phase]["ns"]) for phase in PHASES},
        }
    return totals


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {
        step: {name: after[step][name] - before[step][name] for name in after[step]}
        for step in after
    }


def _steps(size: str, clients: int, passed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for step in STEPS:
        total = {name: sum(each[step][name] for each in passed) for name in passed[0][step]}
        requests = max(1, total["requests"])
        row = {"size": size, "clients": clients, "step": step}
        row |= {f"{name}_ms": round(total[name] / requests / 1e6, 3) for name in ("total", *PHASES)}
        row["requests_per_execution"] = round(requests / max(1, total["executions"]), 2)
        rows.append(row)
    return rows
