"""The HTTP protocol of uvicorn with what it leaves to a proxy in front: limits.

uvicorn waits for ever for a request's headers, lets them grow without bound, reads the rest of a
refused body for as long as it keeps coming, holds an answer for as long as nobody reads it, takes
any number of connections, and answers malformed requests in plain text.
"""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from deckwatch_gateway.connections import Connections
from deckwatch_gateway.headers import ALWAYS
from deckwatch_gateway.problems import MEDIA_TYPE, problem_body

# Requests that may wait on one connection for the one before to be answered. uvicorn parses all
# that arrive, so that a client which reads no answer could fill the memory with them; browsers
# and proxies send one after the other.
MAX_PIPELINED = 32
# Bytes of headers (or chunk headers and trailers) between one piece of body and the next.
MAX_HEADER_BYTES = 64 * 1024


class _FloodError(Exception):
    """More requests came on one connection than may wait there."""


class GatewayProtocol(HttpToolsProtocol):
    """One connection, counted in `counted`.

    `header_timeout_s` bounds the wait for headers and, once an answer was given early, for the
    rest of the body that nobody reads any more; `send_timeout_s` bounds how long an answer may
    take to be read.
    """

    def __init__(
        self,
        *args: Any,
        header_timeout_s: float,
        send_timeout_s: float,
        counted: Connections,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._header_timeout_s = header_timeout_s
        self._send_timeout_s = send_timeout_s
        self._counted = counted
        self._patience: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._idle_bytes = 0  # received since the last complete headers or piece of body

    @property
    def peer(self) -> str:
        """The address at the other end."""
        return self.client[0] if self.client else ""

    @property
    def idle(self) -> bool:
        """Whether it was answered and waits for a next request."""
        return self.timeout_keep_alive_task is not None

    def close_idle(self) -> None:
        """Close it to make room."""
        self.timeout_keep_alive_handler()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._counted.add(self):
            self._be_patient()
        else:
            self._refuse(
                503,
                "too-many-connections",
                "There are too many connections. Close some, or try again shortly.",
                b"retry-after: 1\r\n",
            )

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._counted.remove(self)
        self._be_calm()
        self._be_sent()
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._be_sent()
        self._sending = self.loop.call_later(self._send_timeout_s, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        self._be_sent()
        super().resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self._refuse(
                431,
                "headers-too-large",
                f"More than {MAX_HEADER_BYTES:,} bytes of headers. Send fewer or shorter ones.",
            )

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._be_patient()

    @override
    def on_headers_complete(self) -> None:
        self._idle_bytes = 0
        self._be_calm()
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.abort()
            raise _FloodError  # ends the parsing of what has arrived
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._idle_bytes = 0
        self._be_calm()
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            # Answered before the body was read. Closing now would reset the connection, and the
            # caller might lose the answer; so the rest is read and dropped, but not for ever.
            self._be_patient()

    @override
    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(400, "malformed-request", "This is not HTTP/1.1 as RFC 9112 defines it.")

    def _be_sent(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _be_patient(self) -> None:
        self._be_calm()
        self._patience = self.loop.call_later(self._header_timeout_s, self._lose_patience)

    def _be_calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: int, code: str, detail: str, more: bytes = b"") -> None:
        """Answer without the application, which never saw a request, and close."""
        last: RequestResponseCycle | None = self.cycle
        half = last is not None and last.response_started and not last.response_complete
        if self.pipeline or half:
            # It would be taken for the answer to a request before.
            self.transport.close()
            return
        identity = uuid.uuid4().hex
        body = problem_body(status, code, detail, identity)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {identity}\r\nconnection: close\r\n"
        )
        usual = b"".join(name + b": " + value + b"\r\n" for name, value in ALWAYS)
        self.transport.write(head.encode() + usual + more + b"\r\n" + body)
        self.transport.close()
