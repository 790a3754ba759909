"""The HTTP protocol of uvicorn with what it leaves to a proxy in front: limits on headers.

uvicorn waits for ever for a request's headers, lets them grow without bound, reads the rest of a
refused body for as long as it keeps coming, and answers malformed requests in plain text.
"""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import Any

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deckwatch_gateway.headers import ALWAYS
from deckwatch_gateway.problems import MEDIA_TYPE, problem_body

# Bytes of headers (or chunk headers and trailers) between one piece of body and the next.
MAX_HEADER_BYTES = 64 * 1024


class GatewayProtocol(HttpToolsProtocol):
    """One connection.

    `header_timeout_s` bounds the wait for headers and, once an answer was given early, for the
    rest of the body that nobody reads any more.
    """

    def __init__(self, *args: Any, header_timeout_s: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._header_timeout_s = header_timeout_s
        self._patience: asyncio.TimerHandle | None = None
        self._idle_bytes = 0  # received since the last complete headers or piece of body

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._be_patient()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._be_calm()
        super().connection_lost(exc)

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
        self._refuse(400, "malformed-request", "This is not HTTP/1.1 as RFC 9112 defines it.")

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

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer without the application, which never saw a request, and close."""
        identity = uuid.uuid4().hex
        body = problem_body(status, code, detail, identity)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {identity}\r\nconnection: close\r\n"
        )
        usual = b"".join(name + b": " + value + b"\r\n" for name, value in ALWAYS)
        self.transport.write(head.encode() + usual + b"\r\n" + body)
        self.transport.close()
