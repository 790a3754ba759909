"""From an encoded picture to a `Result` through Triton, for one gateway."""

from __future__ import annotations

import asyncio
import time

from fastapi import Request
from starlette.types import Receive

from deckwatch_client.triton import AsyncTritonClient
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.problems import CallerGoneError, request_id
from deckwatch_vision.errors import TooManyPixels
from deckwatch_vision.headers import read_header
from deckwatch_vision.result import Result


class Recognition:
    """Checks a picture's header, asks Triton, and gives up when the caller does."""

    def __init__(self, triton: AsyncTritonClient, metrics: Metrics, *, max_pixels: int) -> None:
        self._triton = triton
        self._metrics = metrics
        self._max_pixels = max_pixels

    async def recognise(self, request: Request, picture: bytes, file: str | None = None) -> Result:
        """The fish in `picture`; `request` is the one to answer, its body read to the end.

        Raises an ImageError for what is wrong with the picture, a ServerError for what is wrong
        with Triton, CallerGoneError.
        """
        begun = time.perf_counter()
        self._check_header(picture)
        checked = time.perf_counter()
        self._metrics.stages["header"].observe(checked - begun)
        asked = asyncio.ensure_future(
            self._triton.infer(picture, file=file, request_id=request_id(request.scope))
        )
        try:
            result = await _unless_gone(asked, request.receive)
        finally:
            self._metrics.stages["triton"].observe(time.perf_counter() - checked)
        self._metrics.saw_release(result.release)
        return result

    def _check_header(self, picture: bytes) -> None:
        """Refuse what can be refused by its first bytes, before Triton spends anything on it."""
        header = read_header(picture)
        if header.width * header.height > self._max_pixels:
            raise TooManyPixels(
                f"the picture has {header.width} x {header.height} pixels; at most "
                f"{self._max_pixels:,} are accepted. Scale it down."
            )


async def _unless_gone(asked: asyncio.Future[Result], receive: Receive) -> Result:
    """The result of `asked`, unless the caller hangs up first.

    Then `asked` is cancelled, and with it the request in Triton, and CallerGoneError is raised.
    """
    gone = asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait((asked, gone), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise CallerGoneError
        return asked.result()
    finally:
        asked.cancel()
        gone.cancel()


async def _hung_up(receive: Receive) -> None:
    # With the body read to its end, all that can still arrive is the disconnect.
    while (await receive())["type"] != "http.disconnect":
        pass
