"""Run by test_engines in a process of its own: what engines do on a Ray of this machine.

A process of its own, because Ray leaves threads, processes and settings behind in the one that
started it. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from deckwatch_serving import engines, ray_engine
from deckwatch_training.augment import Settings, augment
from deckwatch_vision.errors import UsageError


class Square:
    """Squares numbers; on one of them it kills its own process with signal 9, once."""

    def __init__(self, mark: Path | None = None, deadly: int | None = None, always: bool = False):
        self.mark, self.deadly, self.always = mark, deadly, always

    def __call__(self, number: int) -> tuple[int, int]:
        if number == self.deadly and self.mark and (self.always or not self.mark.exists()):
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number * number, os.getpid()


class Fails:
    """Gives numbers back, but for three."""

    def __call__(self, number: int) -> int:
        if number == 3:
            raise UsageError("three is no number")
        return number


def killed(engine: engines.Engine, mark: Path) -> list[tuple[int, int]]:
    """Two workers, one of which is killed at the tenth of 24 items."""
    return list(engines.run(Square(mark, 9), range(24), engine=engine, workers=2))


def failed(engine: engines.Engine) -> list[object]:
    """What came before the error, and the error."""
    found: list[object] = []
    try:
        results = engines.run(Fails(), range(9), engine=engine, workers=2)
        while True:
            found.append(next(results))
    except UsageError as error:
        found.append(error.message)
    return found


def ahead(engine: engines.Engine) -> int:
    """By how many items the source was ahead of the results, at most."""
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield i

    results = engines.run(Square(), items(), engine=engine, workers=2, window=5)
    most = 0
    for done in range(20):
        next(results)
        most = max(most, taken - done)
    results.close()  # type: ignore[attr-defined]
    return most


def augmented(engine: engines.Engine, photos: Path, labels: Path, out: Path) -> None:
    """Fill the folder `out`."""
    settings = Settings(
        input_folder=photos, output_folder=out, label_file=labels, originals="none",
        new_label_file=out.with_suffix(".csv"),
        steps="flip,rotate30,noise,tests.training.augment.own_steps:shade", workers=2,
        engine=engine,
    )  # fmt: skip
    augment(settings)


def main() -> None:
    """All of it on one Ray."""
    folder, photos, labels = (Path(each) for each in sys.argv[1:4])
    with ray_engine.cluster(2):
        import ray

        augmented("ray", photos, labels, folder / "ray")
        found = {
            "killed": killed("ray", folder / "killed"),
            "failed": failed("ray"),
            "ahead": ahead("ray"),
            "there": ray.is_initialized(),
            "driver": os.getpid(),
        }
    found["gone"] = not ray.is_initialized()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
