"""Keeps the servers of `deckwatch up` running, and ends them all in order.

One thread, one loop: nothing here can wait for something else here.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol, Self

from deckwatch_serving.child import Child
from deckwatch_vision.errors import DeckwatchError, LauncherError, ServerUnavailable

# A server that fails this often without having been up for a while in between is given up.
MAX_CRASHES = 5
STABLE_S = 60.0
START_TIMEOUT_S = 60.0
_FIRST_PAUSE_S = 0.5
_TICK_S = 0.1

Report = Callable[[str, str], None]


class Server(Protocol):
    """What the launcher asks of a server: `EmbeddedTriton` and `GatewayProcess`."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def child(self) -> Child: ...
    def start(self) -> None: ...
    def check_ready(self) -> None: ...
    def check_answers(self) -> None: ...
    def broken(self) -> str | None: ...


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them, while the context lasts."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Where our caller ignores one (nohup, a shell's background job) so do we.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until a signal comes, `seconds` at most; True once one has come."""
        return self._event.wait(seconds)


@dataclass
class Watch:
    """What the launcher knows of one server."""

    server: Server
    report: Report
    ready: bool = False
    was_ready: bool = False
    crashes: int = 0
    started_at: float = 0.0
    start_at: float | None = 0.0  # None while it runs

    def step(self, now: float) -> None:
        """Do what is due at `now` (time.monotonic).

        Raises:
            LauncherError: it cannot be started, or crashed too often.
        """
        if self.start_at is not None:
            if now >= self.start_at:
                self.start_at, self.started_at, self.ready = None, now, False
                self.server.start()
        elif not self.server.child.running or self._late(now):
            self._failed(now, self.server.child.failure(self.server.name, START_TIMEOUT_S))
        elif not self.ready:
            self._look()
        elif reason := self.server.broken():
            log = self.server.child.log
            self._failed(now, LauncherError(f"{self.server.name}: {reason} (log: {log})"))
        elif now - self.started_at > STABLE_S:
            self.crashes = 0

    def _late(self, now: float) -> bool:
        return not self.ready and now - self.started_at > START_TIMEOUT_S

    def _look(self) -> None:
        try:
            self.server.check_ready()
            start = time.perf_counter()
            self.server.check_answers()
        except ServerUnavailable:
            return  # not yet
        except DeckwatchError as error:
            self.report(self.server.name, error.message)
            self.server.child.stop(at_once=True)
            raise
        answer_ms = (time.perf_counter() - start) * 1000
        seconds = time.monotonic() - self.started_at
        again = " again" if self.was_ready else ""
        self.ready = self.was_ready = True
        self.report(
            self.server.name,
            f"ready{again} in {seconds:.1f} s at {self.server.url} "
            f"(recognised a generated picture in {answer_ms:.0f} ms)",
        )

    def _failed(self, now: float, failure: LauncherError) -> None:
        self.server.child.stop(at_once=True)
        self.crashes += 1
        self.ready = False
        if not self.was_ready:
            raise failure  # it never ran: trying again would only hide the reason
        if self.crashes > MAX_CRASHES:
            raise LauncherError(
                f"{self.server.name} crashed {self.crashes} times in a row; giving up. "
                f"{failure.message}"
            )
        pause = _FIRST_PAUSE_S * 2 ** (self.crashes - 1)
        self.start_at = now + pause
        self.report(self.server.name, f"{failure.message}; starting it again in {pause:g} s")


class Launcher:
    """Runs servers until a signal says stop.

    Args:
        servers: in the order in which they depend on each other; ended in reverse.
        report: called with a server's name and a line about it.
        ready: called once, when all of them answered for the first time.
    """

    def __init__(
        self, servers: Sequence[Server], report: Report, ready: Callable[[], None]
    ) -> None:
        self._servers = list(servers)
        self._report = report
        self._ready = ready

    def run(self) -> int:
        """Start the servers and stay; the exit status: 130 after Ctrl-C, 0 after SIGTERM.

        Raises:
            LauncherError: one of them cannot be started or kept running. All are ended by then.
        """
        with Signals() as signals:
            try:
                self._watch(signals)
                self._report("deckwatch", "stopping; Ctrl-C again ends at once")
            finally:
                self._stop(signals)
        return 130 if signals.received[0] == signal.SIGINT else 0

    def _watch(self, signals: Signals) -> None:
        watches = [Watch(each, self._report) for each in self._servers]
        told = False
        while not signals.wait(_TICK_S if watches[0].started_at else 0.0):
            for each in watches:
                each.step(time.monotonic())
            if not told and all(each.ready for each in watches):
                told = True
                self._ready()

    def _stop(self, signals: Signals) -> None:
        for server in reversed(self._servers):
            server.child.ask_to_stop()
            while server.child.running and len(signals.received) < 2:
                time.sleep(_TICK_S / 5)
            # By now it has ended, or shall at once. The leash insists after the time of grace.
            server.child.stop(at_once=True)
