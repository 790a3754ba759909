"""Servers that are asked with patience: away for minutes costs minutes, and no picture.

servers -> Balanced (the least busy, another one where it is gone) -> Retrying -> Patient
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from deckwatch_client.backends import Backend
from deckwatch_client.logs import speaker
from deckwatch_client.retrying import Retrying
from deckwatch_client.served import Served
from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ImageError,
    RateLimited,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)
from deckwatch_vision.result import Result

Found = TypeVar("Found")

# So often is one picture tried before the fault is looked for in the picture.
TRIES = 3
PAUSE_S = 2.0


class Balanced:
    """Several backends as one; safe to share between threads."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = list(backends)
        self._busy = [0] * len(self._backends)
        self._gone = [0.0] * len(self._backends)
        self._lock = threading.Lock()

    def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """Ask the least busy; where that is gone or full, each of the others once."""
        return self._ask(lambda backend: backend.infer(data, file=file))

    def served(self) -> Served:
        """What all of them serve.

        Raises:
            UsageError: they serve different releases.
        """
        found = [each.served() for each in self._backends]
        told = {f"{each.release.name} {each.release.version}" for each in found}
        if len(told) > 1:
            raise UsageError(
                f"The servers have different releases: {', '.join(sorted(told))}. Give servers of "
                "one release, so that a run is of one release."
            )
        return found[0]

    def close(self) -> None:
        """Close all."""
        for each in self._backends:
            each.close()

    def _ask(self, call: Callable[[Backend], Found]) -> Found:
        tried: set[int] = set()
        while True:
            with self._lock:
                left = [place for place in range(len(self._backends)) if place not in tried]
                # Of equals the one that was not gone lately.
                place = min(left, key=lambda each: (self._gone[each], self._busy[each]))
                self._busy[place] += 1
            try:
                found = call(self._backends[place])
                self._gone[place] = 0.0
                return found
            except (ServerUnavailable, ServerOverloaded) as error:
                if isinstance(error, ServerUnavailable):
                    self._gone[place] = time.monotonic()
                tried.add(place)
                if len(tried) == len(self._backends):
                    raise
            finally:
                with self._lock:
                    self._busy[place] -= 1


class Patient:
    """A backend whose failures are waited out, and told once; safe to share between threads.

    What `Retrying` waits out it waits out. Other failures of a server, such as an answer that came
    too late, are the picture's own only where other pictures got their answers meanwhile; else the
    server as a whole is ill, and none of thousands of pictures may fail for that.

    Args:
        backend: what to ask; closed with this one.
        patience_s: how long to wait for an ill server, in seconds.

    `away` says whether it is waited for just now.
    """

    def __init__(self, backend: Backend, *, patience_s: float) -> None:
        self._backend = Retrying(backend, patience_s=patience_s, on_wait=self._tell)
        self._patience_s = patience_s
        self._closed = threading.Event()
        self._answered = time.monotonic()
        self.away = False
        self._lock = threading.Lock()

    def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """See `Backend.infer`.

        Raises:
            ImageError: the picture is at fault.
            DeadlineExceeded, ServerError: this picture alone got no answer, three times.
            ServerGone: the server answered nothing for as long as patience lasts.
            AccessError: the server does not let us in.
        """
        began = time.monotonic()
        tries = 0
        while True:
            try:
                result = self._backend.infer(data, file=file)
            except ImageError:
                self._note()
                raise
            except (ServerError, RateLimited) as error:
                tries += 1
                busy = isinstance(error, ServerUnavailable | ServerOverloaded | RateLimited)
                if tries >= TRIES and self._answered > began and not busy:
                    raise
                # An answer to any picture shows that the server is there.
                waited = time.monotonic() - max(began, self._answered)
                if waited >= self._patience_s or self._closed.is_set():
                    raise ServerGone(error, self._patience_s) from error
                self._tell(error, PAUSE_S)
                self._closed.wait(PAUSE_S)
            else:
                self._note()
                return result

    def served(self) -> Served:
        """See `Backend.served`."""
        return self._backend.served()

    def close(self) -> None:
        """End all pauses and close the backend."""
        self._closed.set()
        self._backend.close()

    def _note(self) -> None:
        self._answered = time.monotonic()
        if self.away:
            with self._lock:
                back, self.away = self.away, False
            if back:
                speaker().info("server answers", "The server answers again.")

    def _tell(self, error: DeckwatchError, _: float) -> None:
        with self._lock:
            told, self.away = self.away, True
        if not told and not self._closed.is_set():
            speaker().warning(
                "server waited for",
                f"{error.message} Waiting for it, up to {self._patience_s:.0f} s.",
                code=error.code,
            )


class ServerGone(DeckwatchError):  # noqa: N818
    """The server answered nothing for as long as the run is patient. Start it, then go on."""

    code = "server-gone"

    def __init__(self, error: DeckwatchError, patience_s: float = 0.0) -> None:
        late = isinstance(error, DeadlineExceeded)
        super().__init__(
            f"{error.message} {'It is too late with every answer' if late else 'It was asked'} "
            f"for {patience_s:.0f} s. Mend the server, then the same command goes on where it was."
        )
        self.error, self.patience_s = error, patience_s

    def __reduce__(self) -> tuple[type[ServerGone], tuple[DeckwatchError, float]]:
        return ServerGone, (self.error, self.patience_s)
