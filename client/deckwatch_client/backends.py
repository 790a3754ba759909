"""Where a picture is recognised: in this process, by Triton, or by the gateway.

One table by scheme. Each backend's module is imported when it is chosen: the in-process one must
not pay for gRPC, nor the others for the nets' runtime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import ReleaseInfo, Result

if TYPE_CHECKING:
    from deckwatch_client.served import Served

SERVER_VARIABLE = "DECKWATCH_SERVER"
EXPECTED = (
    "grpc://host:port (Triton; grpc://a:8001,b:8001 or dns:///name:port for several), "
    "or http://host:port (the gateway)"
)
TRITON = ("grpc://", "dns://")
LOOPBACK = ("127.", "localhost", "[::1]")


class Backend(Protocol):
    """One way to have a picture recognised; shared between threads."""

    def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """Recognise the fish in one encoded picture; `file` is only noted in the result."""

    def served(self) -> Served:
        """The release that answers now, its classes and its model card. Raises ServerError."""

    def close(self) -> None:
        """Let go of connections and models."""


class AsyncBackend(Protocol):
    """`Backend` with await, for one event loop."""

    async def infer(self, data: bytes, *, file: str | None = None) -> Result:
        """See `Backend.infer`."""

    async def served(self) -> Served:
        """See `Backend.served`."""

    async def close(self) -> None:
        """See `Backend.close`."""


class AsyncTriton(Protocol):
    """What `AsyncTritonClient` and `AsyncReplicatedTriton` both are; see the first."""

    async def infer(
        self,
        data: bytes | memoryview,
        *,
        file: str | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """Recognise the fish in one encoded picture."""

    async def metadata(self, *, timeout_s: float | None = None) -> Served:
        """What is served now."""

    async def served(self) -> Served:
        """`metadata` within the client's own time."""

    def known(self, release: ReleaseInfo) -> Served | None:
        """What is served with a release that gave an answer, without asking."""

    async def ready(self, *, timeout_s: float = 2.0) -> bool:
        """Whether a picture could be recognised."""

    async def close(self) -> None:
        """Close the connections."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


def server_address(given: str | None) -> str:
    """The address to use, normalised; "" means in this process.

    `given` wins over the environment's DECKWATCH_SERVER. Raises UsageError for what is no address.
    """
    address = (os.environ.get(SERVER_VARIABLE, "") if given is None else given).rstrip("/")
    scheme, separator, rest = address.partition("://")
    if address and not (separator and rest and scheme in ("grpc", "dns", "http", "https")):
        raise UsageError(f"{address!r} is no server address. Give {EXPECTED}.")
    if address.startswith(TRITON):
        from deckwatch_client.replicas_addresses import parse_addresses

        parse_addresses(address)
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
    if address.startswith(TRITON):
        return open_triton(address, timeout_s=timeout_s)
    from deckwatch_client.http import GatewayClient

    return GatewayClient(address, timeout_s=timeout_s)


async def open_async_backend(
    address: str, *, repository: str | os.PathLike[str] | None, timeout_s: float
) -> AsyncBackend:
    """See `open_backend`; call it in the event loop that will use the backend."""
    if not address:
        from deckwatch_client.local import AsyncLocalBackend

        return await AsyncLocalBackend.load(repository)
    if address.startswith(TRITON):
        return open_async_triton(address, timeout_s=timeout_s)
    from deckwatch_client.http import AsyncGatewayClient

    return AsyncGatewayClient(address, timeout_s=timeout_s)


def open_triton(address: str, *, timeout_s: float) -> Backend:
    """A client of the Triton server, or of all servers, at `address`. Raises UsageError."""
    from deckwatch_client.replicas_addresses import parse_addresses

    addresses = parse_addresses(address)
    if addresses.single:
        from deckwatch_client.triton import TritonClient

        return TritonClient(addresses.fixed[0], timeout_s=timeout_s)
    from deckwatch_client.replicas_sync import ReplicatedTriton

    return ReplicatedTriton(addresses, timeout_s=timeout_s)


def open_async_triton(address: str, *, timeout_s: float, **options: Any) -> AsyncTriton:
    """See `open_triton`; `options` are those of `AsyncReplicatedTriton` for several servers."""
    from deckwatch_client.replicas_addresses import parse_addresses

    addresses = parse_addresses(address)
    if addresses.single:
        # Without balancing, which could only cost time here.
        from deckwatch_client.triton import AsyncTritonClient

        return AsyncTritonClient(addresses.fixed[0], timeout_s=timeout_s)
    from deckwatch_client.replicas_async import AsyncReplicatedTriton

    return AsyncReplicatedTriton(addresses, timeout_s=timeout_s, **options)


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine: proxies must stay out of it."""
    return host.startswith(LOOPBACK)
