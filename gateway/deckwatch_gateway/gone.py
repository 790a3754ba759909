"""Waiting for something on behalf of a caller, and giving up when the caller does."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from starlette.types import Receive

from deckwatch_gateway.problems import CallerGoneError

T = TypeVar("T")


async def unless_gone(asked: asyncio.Future[T], receive: Receive) -> T:
    """The result of `asked`, unless the caller hangs up first; its body must have been read.

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
