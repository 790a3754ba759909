"""Where a picture is recognised: in this process, by Triton, or by the gateway.

One table by scheme. Each backend's module is imported when it is chosen: the in-process one must
not pay for gRPC, nor the others for the nets' runtime.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import ReleaseInfo, Result

if TYPE_CHECKING:
    from deckwatch_client.served import Served

SERVER_VARIABLE = "DECKWATCH_SERVER"
EXPECTED = (
    "grpc://host:port (Triton; grpc://a:8001,b:8001 or dns:///name:port for several), "
    "or http://host:port (the gateway); with TLS grpcs://host:port or https://host:port"
)
SCHEMES = ("grpc", "grpcs", "dns", "http", "https")
TRITON = ("grpc://", "grpcs://", "dns://")
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
    if address and not (separator and rest and scheme in SCHEMES):
        raise UsageError(f"{address!r} is no server address. Give {EXPECTED}.")
    if address.startswith(TRITON):
        from deckwatch_client.replicas_addresses import parse_addresses

        parse_addresses(address)
    return address


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server is talked to; what of it a server has no use for is refused by `checked`.

    timeout_s: longest wait for an answer, in seconds.
    api_key: the gateway's key; None takes the environment's DECKWATCH_API_KEY.
    ca_file: the authorities, PEM, that may vouch for a server with TLS; None takes the
        environment's DECKWATCH_CA_FILE, and without it those that everybody trusts.
    shared_memory: pictures go to a Triton on this host through /dev/shm.
    """

    timeout_s: float = 30.0
    api_key: str | None = field(default=None, repr=False)
    ca_file: str | os.PathLike[str] | None = None
    shared_memory: bool = False

    def checked(self, address: str) -> Manners:
        """These for the server at `address`, with the environment's authorities.

        Raises UsageError for what is given and would go unused: a key that is not asked for, a
        server that is not checked.
        """
        place = address or "recognition in this process"
        if self.api_key is not None and not address.startswith("http"):
            raise UsageError(
                f"api_key is given, but {place} asks for none. Give the gateway's address "
                "(http:// or https://), or leave api_key out."
            )
        if self.shared_memory and (not address.startswith("grpc://") or "," in address):
            raise UsageError(
                f"shared_memory is for one Triton on this host, grpc://127.0.0.1:port; "
                f"{place} is none. Leave shared_memory out."
            )
        if self.ca_file is None and not address.startswith(("https://", "grpcs://")):
            return self
        from deckwatch_client.tls import authorities

        return replace(self, ca_file=authorities(address, self.ca_file))


def open_backend(
    address: str, *, repository: str | os.PathLike[str] | None, timeout_s: float, **more: Any
) -> Backend:
    """The backend at a normalised address; in process it loads the release.

    `more` are the fields of `Manners`.

    Raises ReleaseNotFound or ReleaseCorrupt in process, UsageError for manners that do not suit
    the address; servers are first asked at the first picture.
    """
    manners = Manners(timeout_s, **more).checked(address)
    if not address:
        from deckwatch_client.local import LocalBackend

        return LocalBackend(repository)
    if address.startswith(TRITON):
        return open_triton(address, timeout_s=timeout_s, manners=manners)
    from deckwatch_client.http import GatewayClient

    return GatewayClient(
        address, timeout_s=timeout_s, api_key=manners.api_key, ca_file=manners.ca_file
    )


async def open_async_backend(
    address: str, *, repository: str | os.PathLike[str] | None, timeout_s: float, **more: Any
) -> AsyncBackend:
    """See `open_backend`; call it in the event loop that will use the backend."""
    manners = Manners(timeout_s, **more).checked(address)
    if not address:
        from deckwatch_client.local import AsyncLocalBackend

        return await AsyncLocalBackend.load(repository)
    if address.startswith(TRITON):
        return open_async_triton(address, timeout_s=timeout_s, manners=manners)
    from deckwatch_client.http import AsyncGatewayClient

    return AsyncGatewayClient(
        address, timeout_s=timeout_s, api_key=manners.api_key, ca_file=manners.ca_file
    )


def open_triton(address: str, *, timeout_s: float, manners: Manners | None = None) -> Backend:
    """A client of the Triton server, or of all servers, at `address`. Raises UsageError."""
    from deckwatch_client.replicas_addresses import parse_addresses

    manners = manners or Manners()
    addresses = replace(parse_addresses(address), ca_file=manners.ca_file)
    if not addresses.single:
        from deckwatch_client.replicas_sync import ReplicatedTriton

        return ReplicatedTriton(addresses, timeout_s=timeout_s)
    url = addresses.url(addresses.fixed[0])
    if manners.shared_memory:
        from deckwatch_client.shared_memory import SharedMemoryTriton

        return SharedMemoryTriton(url, timeout_s=timeout_s)
    from deckwatch_client.triton import TritonClient

    return TritonClient(url, timeout_s=timeout_s, ca_file=manners.ca_file)


def open_async_triton(
    address: str, *, timeout_s: float, manners: Manners | None = None, **options: Any
) -> AsyncTriton:
    """See `open_triton`; `options` are those of `AsyncReplicatedTriton` for several servers."""
    from deckwatch_client.replicas_addresses import parse_addresses

    manners = manners or Manners()
    addresses = replace(parse_addresses(address), ca_file=manners.ca_file)
    if not addresses.single:
        from deckwatch_client.replicas_async import AsyncReplicatedTriton

        return AsyncReplicatedTriton(addresses, timeout_s=timeout_s, **options)
    # Without balancing, which could only cost time here.
    url = addresses.url(addresses.fixed[0])
    if manners.shared_memory:
        from deckwatch_client.shared_memory import AsyncSharedMemoryTriton

        return AsyncSharedMemoryTriton(url, timeout_s=timeout_s)
    from deckwatch_client.triton import AsyncTritonClient

    return AsyncTritonClient(url, timeout_s=timeout_s, ca_file=manners.ca_file)


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine: proxies must stay out of it."""
    return host.startswith(LOOPBACK)
