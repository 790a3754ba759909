"""What the gateway costs, and what it does when twice as much comes as can be recognised.

python -m benchmarks.overload [--quick]

The third part of `make bench`. The section of docs/bench.md that it writes is marked
`measured: overload`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, overhead, part
from benchmarks.arrivals import Callers, Told
from benchmarks.asking import BenchmarkError
from benchmarks.part import say
from benchmarks.pictures import write_pictures
from benchmarks.report import yes
from benchmarks.servers import start_gateway
from deckwatch_serving.repository import find_repository
from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.errors import DeckwatchError
from tools.docs import table

NAME = "overload"
RESULTS = part.RESULTS / f"{NAME}.json"
CLIENTS = (2, 4, 8)
MOST_P99 = 2.0
LEAST_THROUGHPUT = 0.9
MOST_OVERHEAD_MS = 3.0
# After overload the gateway welcomes bursts again once the last seconds were calm.
_CALM_S = 8.0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        photos: sample photographs, as 720p JPEGs.
        best_s: seconds for each number of clients, to find what can be sustained.
        load_s: seconds at half and at twice of that.
        pairs: requests over raw gRPC and through the gateway, in turn.
    """

    mode: str
    photos: int
    best_s: float
    load_s: float
    pairs: int


FULL = Amount("full", photos=10, best_s=8.0, load_s=120.0, pairs=250)
QUICK = Amount("quick", photos=2, best_s=1.5, load_s=3.0, pairs=4)


def measure(amount: Amount) -> dict[str, Any]:
    """Everything; the results as they are stored."""
    circumstances = part.Circumstances()
    machine.use_cores()
    with tempfile.TemporaryDirectory(prefix="deckwatch-bench-") as folder:
        paths = write_pictures(Path(folder), amount.photos)["720p"]
        pictures = [Path(path).read_bytes() for path in paths]
    with contextlib.ExitStack() as stack:
        triton = stack.enter_context(EmbeddedTriton(find_repository(None)))
        port = start_gateway(stack, triton)
        say("raw gRPC and the gateway in turn")
        added = overhead.measure(triton.grpc_url, port, amount.pairs)
        loads = asyncio.run(_loads(port, pictures, amount))
    return {
        **circumstances.told(amount.mode),
        "overhead": added,
        **loads,
    }


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    added = results["overhead"]
    return "\n\n".join(
        (
            part.measured_on(results),
            "### Targets of the gateway",
            table(("target", "measured", "met"), _targets(results)),
            "### Loads",
            table(
                ("load", "callers/s", "seconds", "results/s", "refused", "p50 ms", "p99 ms",
                 "Retry-After s"),
                (_load(row) for row in results["loads"]),
            ),
            "### What the gateway adds",
            f"A JPEG of {added['bytes']:,} bytes, one client, {added['pairs']} pairs: p50 "
            f"{added['grpc_p50_ms']:.1f} ms over raw gRPC and {added['gateway_p50_ms']:.1f} "
            f"ms through the gateway. The median of the differences within a pair is "
            f"{added['added_p50_ms']:.2f} ms (quartiles {added['added_low_ms']:.2f} to "
            f"{added['added_high_ms']:.2f} ms).",
        )
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    try:
        return part.run(
            arguments,
            command="benchmarks.overload",
            description=(__doc__ or "").partition("\n")[0],
            name=NAME,
            measure=lambda quick: measure(QUICK if quick else FULL),
            render=render,
        )
    except (BenchmarkError, DeckwatchError) as error:
        say(str(error))
    except ExceptionGroup as group:  # of the callers; one says it for all
        say(f"{type(group.exceptions[0]).__name__}: {group.exceptions[0]}")
    return 1


async def _loads(port: int, pictures: list[bytes], amount: Amount) -> dict[str, Any]:
    """What can be sustained, and what happens at half and at twice of that."""
    callers = Callers(port, pictures)
    rows = []

    async def sustained() -> float:
        say("what can be sustained")
        best = 0.0
        for clients in CLIENTS:
            told = await callers.ask_in_turn(clients, amount.best_s)
            rows.append(_row(f"{clients} clients in turn", None, told))
            best = max(best, told.rate)
        return best

    try:
        best = await sustained()
        for share, name in ((0.5, "half"), (2.0, "twice")):
            say(f"{name} of {best:.1f} a second")
            told = await callers.come(share * best, amount.load_s, seed=1)
            rows.append(_row(name, share * best, told))
        await asyncio.sleep(_CALM_S)
        # The machine may have become slower or faster meanwhile: the better of both counts.
        best = max(best, await sustained())
    finally:
        await callers.close()
    return {"best_per_s": round(best, 3), "loads": rows}


def _row(name: str, rate: float | None, told: Told) -> dict[str, Any]:
    if not told.took_s:
        raise BenchmarkError(f"{name}: nobody got a result")
    named = [seconds for seconds in told.retry_after if seconds]
    return {
        "load": name,
        "callers_per_s": rate and round(rate, 2),
        "lasted_s": round(told.lasted_s, 1),
        "results_per_s": round(told.rate, 3),
        "offered": told.offered,
        "refused": len(told.retry_after),
        "refused_with_retry_after": len(named),
        "retry_after_s": [min(named), max(named)] if named else [],
        "p50_ms": round(float(np.percentile(told.took_s, 50)) * 1e3, 2),
        "p99_ms": round(float(np.percentile(told.took_s, 99)) * 1e3, 2),
    }


def _targets(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = {row["load"]: row for row in results["loads"]}
    half, twice = rows["half"], rows["twice"]
    p99 = twice["p99_ms"] / half["p99_ms"]
    throughput = twice["results_per_s"] / results["best_per_s"]
    told = twice["refused_with_retry_after"]
    added = results["overhead"]["added_p50_ms"]
    return [
        (
            f"at twice the load, p99 of results at most {MOST_P99:g} of that at half",
            f"{p99:.2f}",
            yes(p99 <= MOST_P99),
        ),
        (
            f"results at least {LEAST_THROUGHPUT:g} of the best",
            f"{throughput:.2f}",
            yes(throughput >= LEAST_THROUGHPUT),
        ),
        (
            "all others get 503 with Retry-After",
            f"{told} of {twice['refused']}",
            yes(told == twice["refused"] > 0),
        ),
        (
            f"the gateway adds at most {MOST_OVERHEAD_MS:g} ms at p50",
            f"{added:.2f} ms",
            yes(added <= MOST_OVERHEAD_MS),
        ),
    ]


def _load(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["load"],
        "" if row["callers_per_s"] is None else f"{row['callers_per_s']:.1f}",
        f"{row['lasted_s']:.0f}",
        f"{row['results_per_s']:.1f}",
        f"{row['refused']} of {row['offered']}",
        f"{row['p50_ms']:.0f}",
        f"{row['p99_ms']:.0f}",
        " to ".join(map(str, row["retry_after_s"])),
    )


if __name__ == "__main__":
    sys.exit(main())
