"""`AsyncClient`: `Client` with await."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from datetime import datetime
from functools import partial
from typing import Self

from deckwatch_client.backends import Manners, open_async_backend, server_address
from deckwatch_client.client import Picture, call_options, origin_of, picture_name, places
from deckwatch_client.many import run_async
from deckwatch_client.pictures import PER_PICTURE, naming, read_picture
from deckwatch_client.retrying import AsyncRetrying
from deckwatch_client.served import Served
from deckwatch_vision.errors import DeckwatchError
from deckwatch_vision.result import Result


class AsyncClient:
    """`Client` for one event loop; arguments and errors are the same.

    The backend is opened by `async with` or by the first picture, so errors of the models or
    the connection appear there.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        repository: str | os.PathLike[str] | None = None,
        timeout_s: float = 30.0,
        patience_s: float = 30.0,
        api_key: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        shared_memory: bool = False,
    ) -> None:
        self._address = server_address(server)
        # Refused here and not at the first picture.
        Manners(timeout_s, api_key, ca_file, shared_memory).checked(self._address)
        self._open_backend = partial(
            open_async_backend,
            self._address,
            repository=repository,
            timeout_s=timeout_s,
            api_key=api_key,
            ca_file=ca_file,
            shared_memory=shared_memory,
        )
        self._patience_s = patience_s
        self._backend: AsyncRetrying | None = None
        self._opening = asyncio.Lock()

    async def classify(
        self,
        image: Picture,
        *,
        file: str | None = None,
        timeout_s: float | None = None,
        camera: str | None = None,
        vessel: str | None = None,
        captured_at: datetime | str | None = None,
    ) -> Result:
        """See `Client.classify`. Cancelling the task cancels the request."""
        call = call_options(self._address, timeout_s, origin_of(camera, vessel, captured_at))
        name = picture_name(image, file)
        with naming(name):
            if not isinstance(image, bytes):
                image = await asyncio.to_thread(read_picture, image)
            return await (await self._open()).infer(image, file=name, **call)

    def classify_many(
        self,
        images: Iterable[Picture] | AsyncIterable[Picture],
        *,
        in_flight: int | None = None,
        ordered: bool = True,
        timeout_s: float | None = None,
        camera: str | None = None,
        vessel: str | None = None,
        captured_at: datetime | str | None = None,
    ) -> AsyncGenerator[tuple[Picture, Result | DeckwatchError], None]:
        """See `Client.classify_many`; `images` may be asynchronous as well.

        Closing the iterator (`contextlib.aclosing`), or cancelling the task that reads it, cancels
        the requests that are on their way.
        """
        origin_of(camera, vessel, captured_at)

        async def one(image: Picture) -> Result | DeckwatchError:
            try:
                return await self.classify(
                    image, timeout_s=timeout_s, camera=camera, vessel=vessel,
                    captured_at=captured_at,
                )  # fmt: skip
            except PER_PICTURE as error:
                return error

        return run_async(images, one, places(in_flight, self._address), ordered=ordered)

    async def served(self) -> Served:
        """See `Client.served`."""
        return await (await self._open()).served()

    async def close(self) -> None:
        """Close connections; the client is of no further use."""
        if self._backend is not None:
            await self._backend.close()

    async def _open(self) -> AsyncRetrying:
        async with self._opening:
            if self._backend is None:
                backend = await self._open_backend()
                self._backend = AsyncRetrying(backend, patience_s=self._patience_s)
            return self._backend

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
