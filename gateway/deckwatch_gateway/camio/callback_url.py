"""Which addresses labels may be sent to: `callback_url` comes from outside and is not trusted.

https, to a host of the list, on its port, without user information. What is checked here is what
is connected to: there is one reading of the URL, and `deckwatch_gateway.camio.resolve` looks at
the addresses behind its host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx2

from deckwatch_gateway.lists import split_list
from deckwatch_gateway.loopback import is_loopback

HTTPS_PORT = 443
_DEFAULT_PORTS = {"https": HTTPS_PORT, "http": 80}
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAME_LENGTH = 253


class CallbackRefusedError(Exception):
    """An address that labels are not sent to; `reason` is a sentence without the URL's secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of the list: a host, or with `below` every host below it, and its port."""

    name: str
    port: int = HTTPS_PORT
    below: bool = False

    def covers(self, host: str, port: int) -> bool:
        """Whether it allows `host` (as `CallbackUrl` has it) at `port`."""
        matches = host.endswith(f".{self.name}") if self.below else host == self.name
        return matches and port == self.port


@dataclass(frozen=True, slots=True)
class CallbackUrl:
    """A callback's address, read once: lower case, IDNA, no trailing dot, the port filled in."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine by its very name."""
        return is_loopback(self.host)


class _Settings(Protocol):
    @property
    def camio_callback_hosts(self) -> str: ...
    @property
    def camio_allow_loopback(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Where labels may be sent; `allow_loopback` adds this machine, by plain http as well."""

    hosts: Sequence[AllowedHost]
    allow_loopback: bool = False

    @classmethod
    def of(cls, settings: _Settings) -> CallbackRules:
        """The rules in the gateway's settings."""
        return cls(parse_hosts(settings.camio_callback_hosts), settings.camio_allow_loopback)

    def read(self, url: str) -> CallbackUrl:
        """The address in `url`.

        Raises:
            CallbackRefusedError: it is none, or not an allowed one; the reason says which rule.
        """
        given = read_url(url)
        if self.allow_loopback and given.loopback:
            return given
        if given.scheme != "https":
            raise CallbackRefusedError("callback_url must begin with https://.")
        if not any(host.covers(given.host, given.port) for host in self.hosts):
            raise CallbackRefusedError(
                f"The host {given.host} at port {given.port} of callback_url is not one that "
                "labels may be sent to (DECKWATCH_CAMIO_CALLBACK_HOSTS)."
            )
        return given


def read_url(url: str) -> CallbackUrl:
    """Read an http or https URL.

    Raises:
        CallbackRefusedError: it is none, or has user information or an odd host or port.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        raise CallbackRefusedError("callback_url is not a URL.") from None
    if parsed.scheme not in _DEFAULT_PORTS:
        raise CallbackRefusedError("callback_url must begin with https://.")
    # Also what an "@" behind a backslash or a percent sign would make user information of.
    if parsed.userinfo:
        raise CallbackRefusedError("callback_url must not carry a user name or a password.")
    port = parsed.port or _DEFAULT_PORTS[parsed.scheme]
    if not 0 < port < 65536:
        raise CallbackRefusedError(f"callback_url has the port {port}, which there is not.")
    return CallbackUrl(
        parsed.scheme, _host(parsed.raw_host.decode("ascii")), port, parsed.raw_path.decode("ascii")
    )


def parse_hosts(text: str) -> tuple[AllowedHost, ...]:
    """A list of allowed hosts, written `camio.com,*.camio.com,hooks.example.org:8443`.

    Raises:
        ValueError: an entry is not written so; the message names it.
    """
    return tuple(map(_allowed, split_list(text)))


def _allowed(entry: str) -> AllowedHost:
    below = entry.startswith("*.")
    try:
        given = read_url(f"https://{entry.removeprefix('*.')}")
    except CallbackRefusedError:
        given = None
    if given is None or given.target != "/" or (below and "." not in given.host):
        raise ValueError(
            f"{entry!r} is not a host. Write camio.com, *.camio.com for every host below it, or "
            "camio.com:8443 for another port"
        )
    return AllowedHost(given.host, given.port, below)


def _host(given: str) -> str:
    """One spelling of a host. Raises CallbackRefusedError when it is no name and no address."""
    name = given.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > _NAME_LENGTH or not _NAME.fullmatch(name):
        raise CallbackRefusedError("callback_url has no valid host name.")
    return name
