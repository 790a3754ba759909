"""Triton's address as given: one server, several with commas, or a name that stands for several.

grpc://triton:8001
grpc://a:8001,b:8001
dns:///triton-headless:8001
grpcs://triton:8001
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from deckwatch_vision.errors import ServerUnavailable, UsageError

EXPECTED = (
    "grpc://host:port, several servers as grpc://a:8001,b:8001, or dns:///name:port for every "
    "address of a name"
)
# How often a name is looked up again.
LOOK_UP_EVERY_S = 15.0
# A replica that fails is often one that the name has lost already.
LOOK_UP_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """`fixed` are host:port of every server; or `name` and `port` have to be looked up.

    `secure` is whether they are talked to over TLS, `ca_file` the authorities then (see `peer`).
    """

    fixed: tuple[str, ...] = ()
    name: str = ""
    port: int = 0
    secure: bool = False
    ca_file: str | os.PathLike[str] | None = None

    @property
    def single(self) -> bool:
        """Whether it is one server and will stay one."""
        return len(self.fixed) == 1

    def url(self, server: str) -> str:
        """host:port with the scheme to talk to it."""
        return f"{'grpcs' if self.secure else 'grpc'}://{server}"

    def look_up(self) -> tuple[str, ...]:
        """host:port of every server now, sorted; blocks while a name is looked up.

        Raises OSError when it has no address.
        """
        if self.fixed:
            return self.fixed
        found = socket.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        hosts = {str(address[0]) for *_, address in found}
        return tuple(f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
                     for host in sorted(hosts))  # fmt: skip


def parse_addresses(given: str, *, tls: bool = True) -> Addresses:
    """Read an address as described above. Raises UsageError, without `tls` for grpcs:// as well."""
    if given.startswith("dns:///"):
        host, port = _host_and_port(given.removeprefix("dns:///"), given)
        return Addresses(name=host.strip("[]"), port=port)
    secure = tls and given.startswith("grpcs://")
    scheme = "grpcs://" if secure else "grpc://"
    servers = (_host_and_port(each.strip().removeprefix(scheme), given)
               for each in given.split(","))  # fmt: skip
    fixed = tuple(dict.fromkeys(f"{host}:{port}" for host, port in servers))
    return Addresses(fixed=fixed, secure=secure)


def nobody(addresses: Addresses) -> ServerUnavailable:
    """The error where a name has no address, or none yet."""
    return ServerUnavailable(
        f"dns:///{addresses.name}:{addresses.port} has no address. "
        "Start Triton there, or correct the name."
    )


def _host_and_port(text: str, given: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    bare = host.strip("[]")
    if (
        not bare or "/" in host or "," in host or "@" in host
        or (":" in bare) != (host != bare)
        or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    ):  # fmt: skip
        raise UsageError(f"{given!r} is not the address of a gRPC service. Give {EXPECTED}.")
    return host, int(port)
