"""What the parts of the benchmark share: command line, circumstances, where results are kept."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine, report

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "benchmarks" / "results"
DOCUMENT = _ROOT / "docs" / "bench.md"
QUICK = "a short run to see that it works; stores nothing unless told where"

Results = dict[str, Any]


class Circumstances:
    """When something is measured, how long it takes, and on what; made before it begins."""

    def __init__(self) -> None:
        self._began, self._clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        self._load_before = machine.load_average()
        self._cores_there = len(os.sched_getaffinity(0))

    def told(self, mode: str) -> Results:
        """The head of the results, once everything is measured."""
        return {
            "schema": 1,
            "mode": mode,
            "began": self._began.isoformat(timespec="seconds"),
            "took_s": round(time.monotonic() - self._clock, 1),
            "machine": machine.describe(self._cores_there, len(os.sched_getaffinity(0))),
            "load_before": self._load_before,
            "load_after": machine.load_average(),
        }


def measured_on(results: Results) -> str:
    """The sentence over the tables, of what `Circumstances` told."""
    told = results["machine"]
    before, after = (", ".join(map(str, results[key])) for key in ("load_before", "load_after"))
    return (
        f"Measured on {results['began'][:10]} ({results['mode']} mode, "
        f"{results['took_s']:.0f} s): {told['processor']}, {told['cores_used']} of "
        f"{told['cores']} cores. Load average {before} before and {after} after."
    )


def run(
    arguments: list[str] | None,
    *,
    command: str,
    description: str,
    name: str,
    measure: Callable[[bool], Results],
    render: Callable[[Results], str],
    document: Path = DOCUMENT,
) -> int:
    """Measure (whether shortly is given), print the tables and keep both; the exit status.

    The results are kept in results/NAME.json, the tables in the part `measured: NAME` of the
    document.
    """
    stored = RESULTS / f"{name}.json"
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("--quick", action="store_true", help=QUICK)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"JSON to write, and then no tables; by default {stored.relative_to(_ROOT)} "
        f"and {document.relative_to(_ROOT)}",
    )
    options = parser.parse_args(arguments)
    results = measure(options.quick)
    tables = render(results)
    print(tables)
    output = options.output or (None if options.quick else stored)
    if output:
        store(results, output)
    if not (options.quick or options.output):
        report.write_part(document, name, lambda: tables)
        say(f"tables: {document}")
    return 0


def store(results: Results, output: Path) -> None:
    """Write results as JSON, and say where."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    say(f"results: {output}")


def say(text: str) -> None:
    """A line about what is going on, beside the tables."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
