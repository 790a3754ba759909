"""Augmentation, training and memory, measured against what you would write instead.

python -m benchmarks.workbench [--quick]

The second half of `make bench`. The sections of docs/bench.md that it writes are marked
`measured: training`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import augmentation, machine, memory, report, training_step
from benchmarks.__main__ import DOCUMENT
from benchmarks.__main__ import RESULTS as SERVING

RESULTS = SERVING.with_name("training.json")


def measure(*, quick: bool) -> dict[str, Any]:
    """Everything; the results as they are stored."""
    began, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    load_before = machine.load_average()
    cores_there = len(os.sched_getaffinity(0))
    _say("augmentation")
    augmented = augmentation.measure(augmentation.QUICK if quick else augmentation.FULL)
    _say("training steps")
    trained = training_step.measure(2, 2) if quick else training_step.measure()
    _say("memory")
    held = memory.measure(pictures=200, rows=1_000) if quick else memory.measure()
    cores = len(os.sched_getaffinity(0))
    return {
        "schema": 1,
        "mode": "quick" if quick else "full",
        "began": began.isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - clock, 1),
        "machine": machine.describe(cores_there, cores),
        "load_before": load_before,
        "load_after": machine.load_average(),
        "augmentation": augmented,
        "training": trained,
        "memory": held,
    }


def render(results: dict[str, Any]) -> str:
    """All tables in Markdown."""
    told = results["machine"]
    before, after = (", ".join(map(str, results[key])) for key in ("load_before", "load_after"))
    return "\n\n".join(
        (
            f"Measured on {results['began'][:10]} ({results['mode']} mode, "
            f"{results['took_s']:.0f} s): {told['processor']}, {told['cores']} cores. Load "
            f"average {before} before and {after} after.",
            "### Augmentation",
            augmentation.render(results["augmentation"]).strip(),
            "### Training step",
            training_step.render(results["training"]).strip(),
            "### Memory of augmentation",
            memory.render(results["memory"]).strip(),
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workbench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a short run to see that it works; stores nothing unless told where",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="JSON to write, and then no tables; by default benchmarks/results/training.json "
        "and docs/bench.md",
    )
    options = parser.parse_args(arguments)
    results = measure(quick=options.quick)
    tables = render(results)
    print(tables)
    output = options.output or (None if options.quick else RESULTS)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        _say(f"results: {output}")
    if not (options.quick or options.output):
        report.write_part(DOCUMENT, "training", lambda: tables)
        _say(f"tables: {DOCUMENT}")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
