"""Who hears of a training's epochs: the run folder's files, and MLflow where it is on."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from deckwatch_training import checkpoints, curves
from deckwatch_training.config import TrainConfig
from deckwatch_training.tracking import Tracker

CONFIG, CURVES = "config.yaml", "curves.png"
# Seconds between two drawings: the picture is for people, the log holds every epoch.
REDRAW = 60.0


class Report:
    """Writes config.yaml and curves.png beside the log and tells the tracker, if there is one."""

    def __init__(self, folder: Path, config: TrainConfig, tracker: Tracker | None = None):
        self.folder, self.config, self.tracker = folder, config, tracker
        self._drawn = 0.0

    def begin(self, digest: str) -> None:
        """A training begins, or goes on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = self.config.model_dump(mode="json", exclude_unset=True)
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (self.folder / CONFIG).write_text(text, encoding="utf-8")
        if self.tracker:
            self.tracker.begin(self.config, digest)

    def epoch(self, row: dict[str, float], *, validated: bool) -> None:
        """An epoch was logged."""
        if self.tracker:
            self.tracker.epoch(row)
        if validated and time.monotonic() - self._drawn > REDRAW and row["epoch"] > 1:
            self._draw()

    def end(self) -> None:
        """The training came to its end."""
        self._draw()
        self._close("FINISHED")

    def fail(self, state: str) -> None:
        """The training ended early: "FAILED" or "KILLED"."""
        self._close(state)

    def _close(self, state: str) -> None:
        if self.tracker:
            names = (CONFIG, checkpoints.LOG, CURVES)
            self.tracker.end(state, [self.folder / name for name in names])
            self.tracker = None

    def _draw(self) -> None:
        rows = checkpoints.read_log(self.folder / checkpoints.LOG)
        if rows:
            curves.write(rows, self.folder / CURVES, self.config.name)
            self._drawn = time.monotonic()
