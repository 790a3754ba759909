"""Traces: which request spent its time where, from a caller's span down to Triton's own.

Here is what the rest of the gateway uses. It costs next to nothing while no collector is named;
then `deckwatch_gateway.telemetry`, and OpenTelemetry with it, is not even imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from starlette.types import Scope

if TYPE_CHECKING:
    from deckwatch_gateway.settings import Settings
    from deckwatch_gateway.telemetry import Telemetry


class Call:
    """A call to another server. `headers` tell it of the trace; `facts` are noted in the span."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self.headers = headers
        self.facts: dict[str, str | int] = {}


class Trace(Protocol):
    """The trace of one request."""

    @property
    def trace_id(self) -> str:
        """32 hex digits; empty where this trace is not recorded."""

    def past(self, name: str, seconds: float) -> None:
        """Note a stage of so many seconds that ended now."""

    def calling(self, name: str) -> AbstractContextManager[Call]:
        """Note a call, with its error if it ends with one."""

    def end(self, facts: Mapping[str, str | int | None]) -> None:
        """The request was answered."""


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def past(name: str, seconds: float) -> None:
    """Note a stage of the request at hand, of so many seconds, that ended now."""
    trace = _current.get()
    if trace is not None:
        trace.past(name, seconds)


@contextmanager
def calling(name: str) -> Iterator[Call]:
    """Note a call to another server on behalf of the request at hand."""
    trace = _current.get()
    if trace is None:
        yield Call()
    else:
        with trace.calling(name) as call:
            yield call


def exemplar() -> dict[str, str] | None:
    """What ties a measured value to the trace of the request at hand."""
    trace = _current.get()
    return {"trace_id": trace.trace_id} if trace is not None and trace.trace_id else None


class Traces:
    """All traces of a gateway; none where `settings` name no collector."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._telemetry: Telemetry | None = None

    def start(self) -> None:
        """Begin to trace."""
        if self._settings.otlp_endpoint:
            from deckwatch_gateway.telemetry import Telemetry

            self._telemetry = Telemetry(self._settings)

    def close(self) -> None:
        """Send what waits, for a few seconds at most; blocks."""
        if self._telemetry is not None:
            self._telemetry.close()
            self._telemetry = None

    @contextmanager
    def request(self, scope: Scope) -> Iterator[Trace | None]:
        """The trace of the request in `scope`, for as long as the block lasts."""
        if self._telemetry is None:
            yield None
            return
        trace = self._telemetry.begin(scope)
        token = _current.set(trace)
        try:
            yield trace
        finally:
            _current.reset(token)

    @contextmanager
    def work(self, name: str, facts: Mapping[str, str | int]) -> Iterator[None]:
        """The trace of work that no request waits for, for as long as the block lasts."""
        if self._telemetry is None:
            yield
            return
        with self._telemetry.work(name, facts) as trace:
            token = _current.set(trace)
            try:
                yield
            finally:
                _current.reset(token)
