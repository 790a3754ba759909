"""Reading a request's body straight from the ASGI stream, within its limits.

A body is refused by its Content-Length before a byte of it is read, and a chunked one with the
first chunk that goes over the limit. Refused bodies are never asked for, so a caller that sent
`Expect: 100-continue` (curl does, for anything large) does not even send them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from deckwatch_gateway.admission import HeldBytes
from deckwatch_gateway.problems import CallerGoneError, ProblemError
from deckwatch_vision.errors import ImageTooLarge

CLOSE = {"Connection": "close"}


class BodyReader:
    """Reads bodies of at most `max_bytes` that arrive within `timeout_s` seconds.

    `held` counts what all requests together keep in memory.
    """

    def __init__(self, *, max_bytes: int, timeout_s: float, held: HeldBytes) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._held = held

    def with_limit(self, max_bytes: int) -> BodyReader:
        """One that reads bodies of another size and counts them together with these."""
        return BodyReader(max_bytes=max_bytes, timeout_s=self._timeout_s, held=self._held)

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body; its bytes stay counted as held until the block is left.

        Raises ImageTooLarge (413), ProblemError 408 when it comes too slowly, ServerOverloaded when
        too much is held already, CallerGoneError when the caller hangs up.
        """
        self._check_length(request)
        chunks: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    more = True
                    while more:
                        message = await request.receive()
                        if message["type"] == "http.disconnect":
                            raise CallerGoneError
                        chunk = message.get("body", b"")
                        if size + len(chunk) > self._max_bytes:
                            raise self._too_large(f"more than {self._max_bytes:,}")
                        self._held.take(len(chunk))
                        size += len(chunk)
                        chunks.append(chunk)
                        more = message.get("more_body", False)
            except TimeoutError:
                raise ProblemError(
                    408,
                    "body-too-slow",
                    f"Only {size:,} bytes of the body arrived within {self._timeout_s:g} s. "
                    "Send it faster, or send a smaller picture.",
                    CLOSE,
                ) from None
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self._held.give_back(size)

    def _check_length(self, request: Request) -> None:
        promised = request.headers.get("content-length")
        # The HTTP parser has refused lengths that are not numbers.
        if promised is not None and int(promised) > self._max_bytes:
            raise self._too_large(f"{int(promised):,}")

    def _too_large(self, given: str) -> ImageTooLarge:
        return ImageTooLarge(
            f"the request's body has {given} bytes; at most {self._max_bytes:,} are accepted. "
            "Save the picture smaller or with stronger compression."
        )
