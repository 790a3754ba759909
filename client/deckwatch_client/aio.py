"""`AsyncClient`: `Client` with await."""

from __future__ import annotations

import asyncio
import os
from typing import Self

from deckwatch_client.backends import AsyncBackend, open_async_backend, server_address
from deckwatch_client.client import Picture, picture_name
from deckwatch_client.pictures import naming, read_picture
from deckwatch_client.served import Served
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
    ) -> None:
        self._address = server_address(server)
        self._repository = repository
        self._timeout_s = timeout_s
        self._backend: AsyncBackend | None = None
        self._opening = asyncio.Lock()

    async def classify(self, image: Picture, *, file: str | None = None) -> Result:
        """See `Client.classify`. Cancelling the task cancels the request."""
        name = picture_name(image, file)
        with naming(name):
            if not isinstance(image, bytes):
                image = await asyncio.to_thread(read_picture, image)
            return await (await self._open()).infer(image, file=name)

    async def served(self) -> Served:
        """See `Client.served`."""
        return await (await self._open()).served()

    async def close(self) -> None:
        """Close connections; the client is of no further use."""
        if self._backend is not None:
            await self._backend.close()

    async def _open(self) -> AsyncBackend:
        async with self._opening:
            if self._backend is None:
                self._backend = await open_async_backend(
                    self._address, repository=self._repository, timeout_s=self._timeout_s
                )
            return self._backend

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
