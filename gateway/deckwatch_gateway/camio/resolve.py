"""Connections to public addresses only: the name is resolved, checked, and that very address used.

Looking a name up twice, once to check it and once to connect, would let a name server answer
with a public address first and with one of ours afterwards. So the check stands inside the
connecting, below TLS and HTTP, which go on with the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore2
from typing_extensions import override

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to its addresses; raises OSError when there are none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 4291: what is handed out to hosts. The rest of IPv6 is reserved, local or a translation.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# RFC 6052: how a network without IPv4 reaches IPv4; the last 32 bits are the address.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Within that but not for us: RFC 3056 6to4, RFC 4380 Teredo and its kin, RFC 7526 its relays.
_TUNNELS = tuple(
    ipaddress.ip_network(text) for text in ("2002::/16", "2001::/23", "192.88.99.0/24")
)


class AddressRefusedError(Exception):
    """A host with an address that is not public; the message names the host, not the address."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host`, by the system's resolver. Raises OSError when there are none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(text: str, *, allow_loopback: bool = False) -> bool:
    """Whether an address is one of the public internet.

    Private, loopback, link-local, shared (RFC 6598), multicast, documentation and reserved
    addresses are not, whether written plainly or carried within IPv6.
    """
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:  # with a zone, for instance: then it is link-local
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        carried = _carried(address)
        if carried is not None:
            address = carried
        elif address not in _GLOBAL_UNICAST:
            return allow_loopback and address.is_loopback
    if allow_loopback and address.is_loopback:
        return True
    if any(address in network for network in _TUNNELS if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is connected to in the end, where it is one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


class PublicNetwork(httpcore2.AsyncNetworkBackend):
    """How httpcore2 connects: to public addresses only.

    Args:
        resolve: looks names up.
        allow_loopback: let this machine pass as well.
        attempt_s: how long one address is tried while there are others.
    """

    def __init__(
        self,
        resolve: Resolve = resolve,
        *,
        allow_loopback: bool = False,
        attempt_s: float = 3.0,
    ) -> None:
        self._resolve = resolve
        self._attempt_s = attempt_s
        self._allow_loopback = allow_loopback
        self._network = httpcore2.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of `host` that answers, if all of them are public.

        Raises:
            AddressRefusedError: one is not.
            httpcore2.ConnectError: there is none, or none answers.
        """
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"the name {host} has no address") from error
        if not all(is_public(each, allow_loopback=self._allow_loopback) for each in addresses):
            raise AddressRefusedError(f"The name {host} leads to an address that is not public.")
        failure: Exception = httpcore2.ConnectError(f"the name {host} has no address")
        for address in addresses:
            # An address that swallows packets must not use up the time of the others.
            patience = timeout if address == addresses[-1] else self._attempt_s
            try:
                return await self._network.connect_tcp(
                    address, port, patience, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure
