"""Asking again what a server could not answer just now: backoff with jitter, Retry-After, an end.

    backend = Retrying(open_backend(address, repository=None, timeout_s=30.0), patience_s=60.0)

Recognition changes nothing, so asking twice is safe. What is asked again:

- `ServerOverloaded` and `RateLimited`, and any `ServerError` whose server said after how many
  seconds to come back;
- `ServerUnavailable` of a server that answered before. One that never did is told at once: more
  likely the address is wrong.

What is not: a picture that was refused, a key that was, and `DeadlineExceeded`, where the picture
has had all the time that its caller allows, and a server that is slow would only get slower.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from deckwatch_vision.errors import (
    DeadlineExceeded,
    DeckwatchError,
    ImageError,
    RateLimited,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
)
from deckwatch_vision.result import Result

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from deckwatch_client.backends import AsyncBackend, Backend
    from deckwatch_client.served import Served

Found = TypeVar("Found")
OnWait = Callable[[DeckwatchError, float], object]

# The first pause is up to half a second and each later one up to twice as long ("full jitter":
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), on top of what the
# server asked for: many clients that were refused together must not come back together.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0


class Retrying:
    """A `Backend` that is patient with its server; safe to share between threads.

    Args:
        backend: what to ask; it is closed with this one.
        patience_s: how long one picture is asked for again, in seconds from its first refusal. An
            attempt that began in time is not cut short, so that a call takes at most this and one
            timeout of the backend. 0 asks once.
        on_wait: called before each pause with what was refused and the pause in seconds, in the
            thread that waits.
    """

    def __init__(
        self, backend: Backend, *, patience_s: float, on_wait: OnWait | None = None
    ) -> None:
        self._backend = backend
        self._patience = _Patience(patience_s, on_wait)
        self._closed = threading.Event()

    def infer(self, data: bytes, *, file: str | None = None, **call: Any) -> Result:
        """See `Backend.infer`; what else is given goes to the backend with every attempt."""
        return self._ask(lambda: self._backend.infer(data, file=file, **call))

    def served(self) -> Served:
        """See `Backend.served`."""
        return self._ask(self._backend.served)

    def close(self) -> None:
        """End all pauses, whose calls raise what they were refused with, and close the backend."""
        self._closed.set()
        self._backend.close()

    def _ask(self, attempt: Callable[[], Found]) -> Found:
        try:
            return self._patience.watch(attempt)
        except DeckwatchError as error:
            if not self._patience.bears(error):
                raise
            refused = error
        from tenacity import Retrying as Tenacity
        from tenacity import sleep_using_event, stop_any, stop_when_event_set

        options = self._patience.options()
        options["stop"] = stop_any(options["stop"], stop_when_event_set(self._closed))
        again = Tenacity(sleep=sleep_using_event(self._closed), **options)
        first = [refused]

        def attempt_again() -> Found:
            # What was refused above is the first attempt, so that a first answer costs nothing.
            if first:
                raise first.pop()
            if self._closed.is_set():
                raise refused
            return self._patience.watch(attempt)

        return again(attempt_again)


class AsyncRetrying:
    """`Retrying` with await, for one event loop; a cancelled call waits no longer."""

    def __init__(
        self, backend: AsyncBackend, *, patience_s: float, on_wait: OnWait | None = None
    ) -> None:
        self._backend = backend
        self._patience = _Patience(patience_s, on_wait)

    async def infer(self, data: bytes, *, file: str | None = None, **call: Any) -> Result:
        """See `Retrying.infer`."""
        return await self._ask(lambda: self._backend.infer(data, file=file, **call))

    async def served(self) -> Served:
        """See `Retrying.served`."""
        return await self._ask(self._backend.served)

    async def close(self) -> None:
        """Close the backend."""
        await self._backend.close()

    async def _ask(self, attempt: Callable[[], Awaitable[Found]]) -> Found:
        try:
            return await self._patience.watch_async(attempt)
        except DeckwatchError as error:
            if not self._patience.bears(error):
                raise
            refused = error
        from tenacity import AsyncRetrying as Tenacity

        first = [refused]

        async def attempt_again() -> Found:
            if first:
                raise first.pop()
            return await self._patience.watch_async(attempt)

        return await Tenacity(**self._patience.options())(attempt_again)


class _Patience:
    """Which errors are waited out and for how long; remembers whether the server ever answered."""

    def __init__(self, patience_s: float, on_wait: OnWait | None) -> None:
        self.patience_s = patience_s
        self._on_wait = on_wait
        self._answered = False

    def watch(self, attempt: Callable[[], Found]) -> Found:
        """One attempt, looked at for whether the server is there at all."""
        try:
            found = attempt()
        except DeckwatchError as error:
            self._answered = self._answered or _answers(error)
            raise
        self._answered = True
        return found

    async def watch_async(self, attempt: Callable[[], Awaitable[Found]]) -> Found:
        """`watch` with await."""
        try:
            found = await attempt()
        except DeckwatchError as error:
            self._answered = self._answered or _answers(error)
            raise
        self._answered = True
        return found

    def bears(self, error: BaseException) -> bool:
        """Whether to ask again after `error`."""
        if self.patience_s <= 0 or isinstance(error, DeadlineExceeded):
            return False
        if isinstance(error, ServerOverloaded | RateLimited):
            return True
        if isinstance(error, ServerError) and error.retry_after_s is not None:
            return True
        return isinstance(error, ServerUnavailable) and self._answered

    def options(self) -> dict[str, Any]:
        """What tenacity is told, for one call."""
        import tenacity

        backoff = tenacity.wait_random_exponential(FIRST_PAUSE_S, LONGEST_PAUSE_S)

        def pause_s(state: RetryCallState) -> float:
            return (getattr(_refused(state), "retry_after_s", None) or 0) + backoff(state)

        def tell(state: RetryCallState) -> None:
            error = _refused(state)
            if self._on_wait is not None and isinstance(error, DeckwatchError):
                self._on_wait(error, state.upcoming_sleep)

        return {
            "retry": tenacity.retry_if_exception(self.bears),
            "wait": pause_s,
            # A pause that would outlast the patience is not begun.
            "stop": tenacity.stop_before_delay(self.patience_s),
            "before_sleep": tell,
            "reraise": True,
        }


def _refused(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _answers(error: DeckwatchError) -> bool:
    """Whether whoever is at the address showed that it is our server."""
    if isinstance(error, ServerError):
        return isinstance(error, ServerOverloaded) or error.retry_after_s is not None
    return isinstance(error, ImageError | RateLimited)
