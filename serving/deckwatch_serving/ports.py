"""TCP ports for the servers: free ones, and a plain word where a wanted one is taken."""

from __future__ import annotations

import errno
import socket
import time

from deckwatch_vision.errors import LauncherError

LOOPBACK = "127.0.0.1"


def free_ports(count: int, host: str = LOOPBACK) -> list[int]:
    """`count` different ports of `host` that nothing listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:  # all held open at once, so that no port comes twice
            each.bind((host, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def require_free(host: str, port: int, option: str, *, wait_s: float = 0.0) -> None:
    """Make sure that a server can listen on `port`; `option` is the flag that chooses another.

    `wait_s` is for a restart: how long to wait for the server before it to let go.

    Raises:
        LauncherError: the port is taken, or this user or machine may not use it. The message
            names the option that chooses another and the command that shows who holds it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with socket.socket(family) as probe:
                # As servers do: connections of a server just stopped do not hold its port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            return
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            if not (taken and time.monotonic() < deadline):
                raise _refusal(host, port, option, error) from None
        time.sleep(0.1)


def _refusal(host: str, port: int, option: str, error: OSError | OverflowError) -> LauncherError:
    where = f"Port {port} of {host}"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return LauncherError(
            f"{where} is taken by another program. Choose another with `{option} PORT` "
            f"({option} 0 takes a free one), or stop the one that holds it: "
            f"`ss -ltnp 'sport = :{port}'` names it."
        )
    if number == errno.EACCES:
        return LauncherError(
            f"{where} is not allowed for this user (ports under 1024 need rights). "
            f"Choose one from 1024 to 65535 with `{option} PORT`."
        )
    if number in (errno.EADDRNOTAVAIL, None) or isinstance(error, socket.gaierror):
        return LauncherError(
            f"{where} cannot be listened on: {error}. Give an address of this machine with "
            f"--host (127.0.0.1 for this machine only) and a port from 0 to 65535 with {option}."
        )
    return LauncherError(f"{where} cannot be listened on: {error}. Choose another with {option}.")
