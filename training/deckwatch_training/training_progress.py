"""What a training says while it runs: a bar on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from torch import Tensor

from deckwatch_training.config import RunConfig

# Seconds between two drawings of the bar. Each reads the loss, for which a GPU has to wait.
EVERY = 0.5


class Progress:
    """Progress of a run on standard error; a context manager. shown False: says nothing."""

    def __init__(self, run: RunConfig, steps: int, *, shown: bool):
        self._run, self._steps, self._shown = run, steps, shown
        self._bars: Bars | None = None
        self._began = self._drawn = 0.0
        self._epoch = self._first = self._done = 0

    def __enter__(self) -> Progress:
        self._began = time.monotonic()
        if self._shown and sys.stderr.isatty():
            self._bars = Bars(
                TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}  {task.fields[words]}"),
                console=Console(stderr=True),
                # No thread of its own: it could hold a lock while loader processes are forked.
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bars.add_task(
                "", total=self._steps, epoch=0, epochs=self._run.epochs, words=""
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def begin(self, epoch: int, done: int) -> None:
        """An epoch begins, after so many steps of it."""
        if not self._done:
            self._first = epoch * self._steps + done
        self._epoch = epoch

    def step(self, done: int, sums: Mapping[str, Tensor]) -> None:
        """So many steps of the epoch are done."""
        self._done = self._epoch * self._steps + done - self._first
        now = time.monotonic()
        if not self._bars or (now - self._drawn < EVERY and done < self._steps):
            return
        self._drawn = now
        pace = self._done / max(1e-9, now - self._began)
        left = (self._run.epochs * self._steps - self._first - self._done) / max(1e-9, pace)
        loss = float(sums["loss"]) / done
        words = f"loss {loss:.4g}  {pace * self._run.batch:.1f} images/s  {lasting(left)} left"
        self._bars.update(self._task, completed=done, epoch=self._epoch + 1, words=words)
        self._bars.refresh()

    def line(self, row: Mapping[str, float]) -> None:
        """An epoch is over."""
        if not self._shown:
            return
        shown = "  ".join(f"{name} {value:g}" for name, value in row.items() if name != "epoch")
        whole = self._done / max(1e-9, time.monotonic() - self._began)
        left = (self._run.epochs - row["epoch"]) * self._steps / max(1e-9, whole)
        more = f"  {lasting(left)} left" if left >= 1 else ""
        text = f"epoch {row['epoch']:.0f}/{self._run.epochs}  {shown}{more}"
        if self._bars:
            self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def lasting(seconds: float) -> str:
    """A time in words: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
