"""Measure, print the tables, store the results."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine, part, report, runtimes, serving, stages, startup
from benchmarks.asking import BenchmarkError
from benchmarks.part import DOCUMENT, say
from benchmarks.pictures import PHOTOS, write_pictures
from benchmarks.servers import start_all
from benchmarks.settings import FULL, QUICK, Settings
from deckwatch_serving.repository import find_repository, open_release
from deckwatch_vision.errors import DeckwatchError

RESULTS = part.RESULTS / "serving.json"


def measure(settings: Settings, repository: Path) -> dict[str, Any]:
    """Everything; the results as they are stored."""
    circumstances = part.Circumstances()
    machine.use_cores()
    release = open_release(repository)
    photo = sorted(PHOTOS.glob("*.jpg"))[0]
    with tempfile.TemporaryDirectory(prefix="deckwatch-bench-") as folder:
        pictures = write_pictures(Path(folder), settings.photos)
        say("one step after the other, then runtimes")
        steps = stages.measure(repository, pictures, settings)
        nets = runtimes.measure(repository, pictures["1080p"], settings)
        say("cold starts")
        starts = startup.measure(photo, settings)
        say("starting every arm")
        with start_all(repository) as running:
            served = serving.measure(running, pictures, settings)
    return {
        **circumstances.told(settings.mode),
        "rounds": settings.rounds,
        "photos": settings.photos,
        "release": {"name": release.name, "version": release.version},
        **served,
        "stages": steps,
        "runtimes": nets,
        "start": starts,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _parse(arguments)
    settings = QUICK if options.quick else FULL
    try:
        results = measure(settings, find_repository(options.repository))
    except (BenchmarkError, DeckwatchError) as error:
        say(str(error))
        return 1
    print(report.render(results))
    keep = not options.quick
    output = options.output or (RESULTS if keep else None)
    document = options.document or (DOCUMENT if keep and not options.output else None)
    if output:
        part.store(results, output)
    if document:
        report.write_into(document, results)
        say(f"tables: {document}")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Deckwatch against what you would write instead (under 8 minutes).",
    )
    parser.add_argument("--quick", action="store_true", help=part.QUICK)
    parser.add_argument(
        "--repository", type=Path, metavar="DIR", help="model repository; by default the one here"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="JSON to write, and then no tables unless --document is given; by default "
        "benchmarks/results/serving.json and docs/bench.md",
    )
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="Markdown whose tables to write anew"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
