"""Where a picture is recognised: in this process, by Triton, or by the gateway.

One table by scheme. Each backend's module is imported when it is chosen: the in-process one must
not pay for gRPC, nor the others for the nets' runtime.
"""

from __future__ import annotations

import os
from typing import Protocol

from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Result

SERVER_VARIABLE = "DECKWATCH_SERVER"
EXPECTED = "grpc://host:port (Triton), or http://host:port (the gateway)"
LOOPBACK = ("127.", "localhost", "[::1]")


class Backend(Protocol):
    """One way to have a picture recognised; shared between threads."""

    def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """Recognise the fish in one encoded picture; `file` is only noted in the result."""

    def close(self) -> None:
        """Let go of connections and models."""


class AsyncBackend(Protocol):
    """`Backend` with await, for one event loop."""

    async def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """See `Backend.infer`."""

    async def close(self) -> None:
        """See `Backend.close`."""


def server_address(given: str | None) -> str:
    """The address to use, normalised; "" means in this process.

    `given` wins over the environment's DECKWATCH_SERVER. Raises UsageError for what is no address.
    """
    address = (os.environ.get(SERVER_VARIABLE, "") if given is None else given).rstrip("/")
    scheme, separator, rest = address.partition("://")
    if address and not (separator and rest and scheme in ("grpc", "http", "https")):
        raise UsageError(f"{address!r} is no server address. Give {EXPECTED}.")
    if scheme == "grpc" and not rest.rpartition(":")[2].isdigit():
        raise UsageError(f"{address!r} names no port. Give {EXPECTED}; Triton's own is 8001.")
    return address


def open_backend(
    address: str, *, repository: str | os.PathLike[str] | None, timeout_s: float
) -> Backend:
    """The backend at a normalised address; in process it loads the release.

    Raises ReleaseNotFound or ReleaseCorrupt in process; servers are first asked at the first
    picture.
    """
    if not address:
        from deckwatch_client.local import LocalBackend

        return LocalBackend(repository)
    if address.startswith("grpc://"):
        from deckwatch_client.triton import TritonClient

        return TritonClient(address, timeout_s=timeout_s)
    from deckwatch_client.http import GatewayClient

    return GatewayClient(address, timeout_s=timeout_s)


async def open_async_backend(
    address: str, *, repository: str | os.PathLike[str] | None, timeout_s: float
) -> AsyncBackend:
    """See `open_backend`; call it in the event loop that will use the backend."""
    if not address:
        from deckwatch_client.local import AsyncLocalBackend

        return await AsyncLocalBackend.load(repository)
    if address.startswith("grpc://"):
        from deckwatch_client.triton import AsyncTritonClient

        return AsyncTritonClient(address, timeout_s=timeout_s)
    from deckwatch_client.http import AsyncGatewayClient

    return AsyncGatewayClient(address, timeout_s=timeout_s)


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine: proxies must stay out of it."""
    return host.startswith(LOOPBACK)
