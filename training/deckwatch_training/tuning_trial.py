"""One trial of a sweep: a real training in a folder of its own, in whatever process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from deckwatch_vision.errors import DeckwatchError, UsageError


@dataclass(frozen=True)
class Trial:
    """What a worker needs.

    config: the configuration's path; overrides: key=value; folder: of the run. metric: of the
    validation. medians: of earlier trials after each epoch; a trial that is worse stops. Empty:
    none stops.
    """

    number: int
    config: str
    overrides: tuple[str, ...]
    folder: str
    metric: str
    minimise: bool
    medians: dict[int, float]


@dataclass(frozen=True)
class Told:
    """What came of a trial: the metric of its weights, and after every epoch that was validated."""

    value: float | None
    curve: dict[int, float]
    pruned: bool = False
    error: str | None = None
    seconds: float = 0.0


class _StoppedEarly(Exception):  # noqa: N818 - no error: the trial did what it should
    """The trial is worse than the median of those before it."""


def train(trial: Trial) -> Told:
    """Train a trial, continuing what its folder holds.

    A failure of this trial alone, such as values that do not go together, is told and not raised,
    so that the sweep goes on.
    """
    from deckwatch_training import checkpoints, config, runs
    from deckwatch_training.training_report import Report

    started = time.monotonic()
    folder = Path(trial.folder)

    class Watching(Report):
        """A run's report that stops it where others were better by then."""

        def epoch(self, row: dict[str, float], *, validated: bool) -> None:
            """An epoch was logged."""
            super().epoch(row, validated=validated)
            median = trial.medians.get(int(row["epoch"]))
            if validated and median is not None and int(row["epoch"]) < self.config.run.epochs:
                value = row[trial.metric]
                if value > median if trial.minimise else value < median:
                    raise _StoppedEarly

    pruned = False
    try:
        loaded = config.load(Path(trial.config), trial.overrides)
        _, held_back = runs.training_data(loaded)
        if not len(held_back):
            raise UsageError("no pictures are held back to judge trials on (data.held_back)")
        if not runs.finished(loaded, folder):
            runs.train(loaded, folder, report=Watching(folder, loaded), track=False)
    except _StoppedEarly:
        pruned = True
    except DeckwatchError as error:
        return Told(None, {}, error=error.message, seconds=_since(started))
    rows = checkpoints.read_log(folder / checkpoints.LOG)
    curve = {int(row["epoch"]): float(row[trial.metric]) for row in rows if trial.metric in row}
    if not curve:
        return Told(None, {}, error=f"{trial.metric} was not measured", seconds=_since(started))
    # With run.patience the weights that are kept are those of the best epoch.
    among = list(curve.values()) if loaded.run.patience else [curve[max(curve)]]
    value = min(among) if trial.minimise else max(among)
    return Told(value, curve, pruned, seconds=_since(started))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)
