"""Who calls, where a proxy stands in front: its word is taken only where it is trusted.

Anybody can send X-Forwarded-For. Without DECKWATCH_TRUSTED_PROXIES the address of the connection
counts, and with it the right-most address in that header that is no trusted proxy's: those
further to the left are the caller's own claims.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from deckwatch_gateway.lists import split_list
from deckwatch_gateway.logs import log

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks in a list with commas; raises ValueError naming what is none."""
    try:
        return tuple(map(ipaddress.ip_network, split_list(text)))
    except ValueError as error:
        raise ValueError(f"{error}. Give networks like 10.0.0.0/8,fd00::/8") from None


def parse_address(text: str) -> Address | None:
    """An address, with or without a port, brackets and a zone; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.version == 6 and found.ipv4_mapped) or found


class Proxies:
    """ASGI middleware that puts the caller's address and scheme in place of the proxy's."""

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...]) -> None:
        self._app = app
        self._trusted = trusted
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with what a trusted proxy says of it."""
        if scope["type"] == "http" and scope["client"]:
            self._read(scope)
        await self._app(scope, receive, send)

    def _read(self, scope: Scope) -> None:
        forwarded = _values(scope, b"x-forwarded-for")
        peer = parse_address(scope["client"][0])
        if peer is None or not self._trusts(peer):
            if forwarded and not self._warned and not (peer and peer.is_loopback):
                self._warned = True
                log.warning(
                    "X-Forwarded-For passed over: its sender is not in DECKWATCH_TRUSTED_PROXIES",
                    sender=scope["client"][0],
                )
            return
        caller = peer
        for value in reversed(forwarded):
            address = parse_address(value)
            if address is None:
                break
            caller = address
            if not self._trusts(address):
                break
        scope["client"] = (str(caller), 0)
        schemes = _values(scope, b"x-forwarded-proto")
        if schemes and schemes[-1] in ("http", "https"):
            scope["scheme"] = schemes[-1]

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _values(scope: Scope, name: bytes) -> list[str]:
    """The values of a header that is a list, from all its lines in order."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    lines = (value.decode("latin-1") for key, value in headers if key == name)
    return [value for line in lines for value in split_list(line)]
