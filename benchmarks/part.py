"""What the parts of the benchmark share: their command line, and where results are kept."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report

_ROOT = Path(__file__).parents[1]
RESULTS = _ROOT / "benchmarks" / "results"
DOCUMENT = _ROOT / "docs" / "bench.md"
QUICK = "a short run to see that it works; stores nothing unless told where"

Results = dict[str, Any]


def run(
    arguments: list[str] | None,
    *,
    command: str,
    description: str,
    name: str,
    measure: Callable[[bool], Results],
    render: Callable[[Results], str],
) -> int:
    """Measure (whether shortly is given), print the tables and keep both; the exit status.

    The results are kept in results/NAME.json, the tables in the part `measured: NAME` of
    docs/bench.md.
    """
    stored = RESULTS / f"{name}.json"
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("--quick", action="store_true", help=QUICK)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"JSON to write, and then no tables; by default {stored.relative_to(_ROOT)} "
        f"and {DOCUMENT.relative_to(_ROOT)}",
    )
    options = parser.parse_args(arguments)
    results = measure(options.quick)
    tables = render(results)
    print(tables)
    output = options.output or (None if options.quick else stored)
    if output:
        store(results, output)
    if not (options.quick or options.output):
        report.write_part(DOCUMENT, name, lambda: tables)
        say(f"tables: {DOCUMENT}")
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
