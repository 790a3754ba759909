"""How far a run is: a bar on a terminal, a line now and then elsewhere, both on standard error."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deckwatch_client.batch.sources import Sources
from deckwatch_client.logs import Speaker
from deckwatch_client.pictures import printable
from deckwatch_client.records import Record

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_EVERY_S = 30.0
FIRST_LINE_S = 5.0
# The speed is that of the last while: pictures of another size, a server that was away.
WINDOW_S = 60.0
# Of fewer pictures nobody can tell how long the others will take.
ENOUGH = 10
# A disk that was taken out would otherwise be told of once for every picture.
MOST_FAILURES = 20


class Progress:
    """Counts what is done, and shows it."""

    def __init__(self, say: Speaker, sources: Sources) -> None:
        self._say = say
        self._closed = threading.Event()
        self.done = 0
        self.failed = 0
        self.total: int | None = None
        self._began = time.monotonic()
        self._told = self._began - LINE_EVERY_S + FIRST_LINE_S
        self._marks: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._bar: tuple[Bar, TaskID] | None = None
        if not (say.quiet or sources.once):
            # Beside the work: on a slow disk counting takes a while.
            threading.Thread(target=self._count, args=(sources,), daemon=True).start()

    def advance(self, record: Record, taken_over: int) -> None:
        """One picture more is done; `taken_over` were done by earlier runs."""
        self.done += 1
        if record.failure is not None:
            self.failed += 1
            self._complain(record)
        self.show(taken_over)

    def show(self, taken_over: int) -> None:
        """Bring what is shown up to date."""
        now = time.monotonic()
        if now - self._marks[-1][0] >= 1.0:
            self._marks.append((now, self.done))
            while now - self._marks[0][0] > WINDOW_S:
                self._marks.popleft()
        if self._bar is not None:
            bar, task = self._bar
            bar.update(
                task, completed=self.done + taken_over, total=self.total, told=self._phrase(now, 0)
            )
        elif now - self._told >= LINE_EVERY_S:
            self._told = now
            self._say.info(
                "run progress",
                self._phrase(now, taken_over),
                done=self.done + taken_over,
                total=self.total,
                pictures_per_s=round(self._speed(now), 2),
                failed=self.failed,
            )

    def wrote(self, count: int, total: int) -> None:
        """So many of the results' records are written."""
        if self._bar is not None and count % 100 == 0:
            bar, task = self._bar
            bar.update(task, completed=count, total=total)

    def close(self) -> None:
        """Count no further."""
        self._closed.set()

    @contextmanager
    def shown(self, title: str) -> Iterator[None]:
        """A bar for as long as the block lasts, where one may be drawn."""
        if not self._say.draws:
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
        )  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            self._bar = bar, bar.add_task(title, total=self.total, told="")
            try:
                yield
            finally:
                self._bar = None

    def _phrase(self, now: float, taken_over: int) -> str:
        speed = self._speed(now)
        parts = [f"{speed:.1f} pictures/s"]
        if self._bar is None:
            total = f" of {self.total:,}" if self.total is not None else ""
            parts.insert(0, f"{self.done + taken_over:,}{total} done")
        if self.total is not None and speed > 0 and self.done >= ENOUGH:
            left = max(0, self.total - self.done - taken_over)
            parts.append(f"{_duration(left / speed)} left")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        return ", ".join(parts)

    def _speed(self, now: float) -> float:
        since, count = self._marks[0]
        return (self.done - count) / (now - since) if now > since else 0.0

    def _complain(self, record: Record) -> None:
        if record.failure is None or self.failed > MOST_FAILURES:
            return
        self._say.warning(
            "picture failed",
            f"{printable(record.name)}: {record.failure.message}",
            image=record.name,
            code=record.failure.code,
        )
        if self.failed == MOST_FAILURES:
            self._say.warning("more failures", "Further failures are in the results only.")

    def _count(self, sources: Sources) -> None:
        total = 0
        for item in sources:
            if self._closed.is_set() or item.kind == "video":
                return  # how many frames a video will give is not known before
            total += 1
        self.total = total


def _duration(seconds: float) -> str:
    """For people, to two units.

    >>> [_duration(each) for each in (5, 90, 5400, 200000)]
    ['5 s', '2 min', '1 h 30 min', '2 d 7 h']
    """
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"
