"""`TritonClient` whose pictures go to a Triton on the same host through shared memory.

Only the picture: an answer is a few hundred bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from deckwatch_client.channel import Clock
from deckwatch_client.ensemble import translate
from deckwatch_client.pictures import check_size
from deckwatch_client.regions import Region, Regions, refused
from deckwatch_client.triton import AsyncTritonClient, Sent, TritonClient
from deckwatch_vision.errors import DeckwatchError, ServerError
from deckwatch_vision.result import Result

# How long a server that is perhaps gone is waited for when its client closes.
GOODBYE_S = 2.0


class SharedMemoryTriton(TritonClient):
    """See `TritonClient`. Raises UsageError at the first picture where Triton cannot see it."""

    def __init__(self, address: str, *, timeout_s: float = 30.0) -> None:
        super().__init__(address, timeout_s=timeout_s)
        self._regions = Regions()
        self._tidied = False

    def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """See `TritonClient.infer`."""
        check_size(len(data))
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        region = self._regions.take(len(data))
        try:
            region.write(data)
            sent = Sent(_inputs(region, len(data)), data, file, request_id, headers)
            self._register(region, clock)
            try:
                return self._infer(sent, clock)
            except ServerError as error:
                if not _unknown(region, error):
                    raise
                self._regions.forget()
            self._register(region, clock)
            return self._infer(sent, clock)
        finally:
            self._regions.give_back(region)

    def close(self) -> None:
        """Let Triton forget the regions, remove them, and close the connection."""
        for name in self._regions.close():
            try:
                self._triton.unregister_system_shared_memory(name, client_timeout=GOODBYE_S)
            except InferenceServerException:
                break
        super().close()

    def _register(self, region: Region, clock: Clock) -> None:
        if region.registered:
            return
        try:
            if not self._tidied:
                known = self._triton.get_system_shared_memory_status(client_timeout=clock.left())
                for name in Regions.forgotten(known.regions):
                    self._triton.unregister_system_shared_memory(name, client_timeout=clock.left())
                self._tidied = True
            self._triton.register_system_shared_memory(
                region.name, region.key, region.size, client_timeout=clock.left()
            )
        except InferenceServerException as error:
            raise _refusal(error, self.url, clock) from error
        region.registered = True


class AsyncSharedMemoryTriton(AsyncTritonClient):
    """`SharedMemoryTriton` with await, for one event loop."""

    def __init__(self, address: str, *, timeout_s: float = 30.0) -> None:
        super().__init__(address, timeout_s=timeout_s)
        self._regions = Regions()
        self._tidied = False

    async def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """See `TritonClient.infer`. Cancelling the task cancels the request in Triton."""
        check_size(len(data))
        clock = Clock(self.timeout_s if timeout_s is None else timeout_s)
        region = self._regions.take(len(data))
        try:
            region.write(data)
            sent = Sent(_inputs(region, len(data)), data, file, request_id, headers)
            await self._register(region, clock)
            try:
                return await self._infer(sent, clock)
            except ServerError as error:
                if not _unknown(region, error):
                    raise
                self._regions.forget()
            await self._register(region, clock)
            return await self._infer(sent, clock)
        finally:
            self._regions.give_back(region)

    async def close(self) -> None:
        """See `SharedMemoryTriton.close`."""
        for name in self._regions.close():
            try:
                await self._triton.unregister_system_shared_memory(name, client_timeout=GOODBYE_S)
            except InferenceServerException:
                break
        await super().close()

    async def _register(self, region: Region, clock: Clock) -> None:
        if region.registered:
            return
        try:
            if not self._tidied:
                known = await self._triton.get_system_shared_memory_status(
                    client_timeout=clock.left()
                )
                for name in Regions.forgotten(known.regions):
                    await self._triton.unregister_system_shared_memory(
                        name, client_timeout=clock.left()
                    )
                self._tidied = True
            await self._triton.register_system_shared_memory(
                region.name, region.key, region.size, client_timeout=clock.left()
            )
        except InferenceServerException as error:
            raise _refusal(error, self.url, clock) from error
        region.registered = True


def _inputs(region: Region, size: int) -> list[Any]:
    """The request's one tensor, IMAGE, as UINT8 [bytes] in `region`."""
    image = InferInput("IMAGE", [size], "UINT8")
    image.set_shared_memory(region.name, size)
    return [image]


def _unknown(region: Region, error: ServerError) -> bool:
    """Whether Triton, started again, does not know the region any more."""
    return region.name in error.message


def _refusal(error: InferenceServerException, url: str, clock: Clock) -> DeckwatchError:
    status = str(error.status()).removeprefix("StatusCode.")
    if status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
        return translate(error, url, clock.timeout_s)
    return refused(url, str(error.message()).partition("\n")[0])
