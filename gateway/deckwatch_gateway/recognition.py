"""From an encoded picture to a `Result` through Triton, for one gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import Request

from deckwatch_client.backends import AsyncTriton
from deckwatch_gateway import traces
from deckwatch_gateway.gone import unless_gone
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.problems import request_id
from deckwatch_vision.errors import (
    DeadlineExceeded,
    ServerError,
    ServerOverloaded,
    TooManyPixels,
)
from deckwatch_vision.headers import read_header
from deckwatch_vision.result import Result


class Recognition:
    """Checks a picture's header, asks Triton, and gives up when the caller does.

    `doubt` is called when Triton fails at a picture.
    """

    def __init__(
        self,
        triton: AsyncTriton,
        metrics: Metrics,
        *,
        max_pixels: int,
        timeout_s: float,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self._triton = triton
        self._metrics = metrics
        self._max_pixels = max_pixels
        self._timeout_s = timeout_s
        self._doubt = doubt

    def check(self, picture: bytes) -> None:
        """Refuse what can be refused by its first bytes, before anything is spent on it.

        Raises an ImageError for what is wrong with the picture.
        """
        begun = time.perf_counter()
        header = read_header(picture)
        if header.width * header.height > self._max_pixels:
            raise TooManyPixels(
                f"the picture has {header.width} x {header.height} pixels; at most "
                f"{self._max_pixels:,} are accepted. Scale it down."
            )
        self._metrics.stages["header"].observe(time.perf_counter() - begun)

    async def recognise(
        self,
        request: Request,
        picture: bytes,
        file: str | None = None,
        *,
        waited_s: float = 0.0,
        camera: str | None = None,
    ) -> Result:
        """The fish in a `picture` that was checked; `request` is answered, its body read.

        `waited_s` of the time that the caller may wait have passed just now, in the queue. The
        result is counted for `camera`. Raises an ImageError for what
        is wrong with the picture, a ServerError for what is wrong with Triton, CallerGoneError.
        """
        traces.past("queue", waited_s)
        asked = asyncio.ensure_future(
            self.ask(
                picture,
                file,
                request_id=request_id(request.scope),
                waited_s=waited_s,
                camera=camera,
            )
        )
        return await unless_gone(asked, request.receive)

    async def ask(
        self,
        picture: bytes,
        file: str | None = None,
        *,
        request_id: str = "",
        waited_s: float = 0.0,
        camera: str | None = None,
    ) -> Result:
        """`recognise` for nobody who could hang up."""
        begun = time.perf_counter()
        try:
            with traces.calling("triton") as call:
                result = await self._triton.infer(
                    picture,
                    file=file,
                    request_id=request_id,
                    timeout_s=max(0.001, self._timeout_s - waited_s),
                    headers=call.headers,
                )
                call.facts["deckwatch.release"] = f"{result.release.name} {result.release.version}"
        except ServerError as error:
            # Too much work is no reason to doubt that work is done.
            if not isinstance(error, ServerOverloaded | DeadlineExceeded):
                self._doubt()
            raise
        finally:
            self._metrics.stages["triton"].observe(time.perf_counter() - begun)
        self._metrics.saw_release(result.release)
        self._metrics.pictures.count(result, camera)
        return result
