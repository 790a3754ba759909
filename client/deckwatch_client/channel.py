"""The gRPC channel to a Triton server: its manners, its certificates, the clock of a call."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from deckwatch_client.backends import is_loopback

# gRPC waits up to two minutes between attempts to reconnect; a restarted Triton is back in
# seconds, so a lost connection is retried at least every second. "min_reconnect_backoff" is how
# long one attempt may take: enough for a slow network, not the 20 s spent on a pod that is gone.
# A peer that vanished without a word acknowledges nothing: TCP gives it five seconds
# ("keepalive_timeout"), pings of a connection that only looks alive ten ("ping_timeout", without
# which they have a minute, whatever is said of keepalive). Two pings without data between them is
# what servers stand by default.
CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 2),
]

SECURE = "grpcs://"


@dataclass(frozen=True, slots=True)
class Peer:
    """One Triton server: host:port, its URL for messages, and how a channel to it is opened."""

    host: str
    url: str
    options: dict[str, Any]


def peer(address: str, ca_file: str | os.PathLike[str] | None = None) -> Peer:
    """The server at grpc://host:port, grpcs://host:port or host:port.

    `ca_file` holds the authorities, PEM, that may vouch for a grpcs:// server; None are those that
    gRPC knows. Raises UsageError when it cannot be read.
    """
    host = address.removeprefix(SECURE).removeprefix("grpc://")
    # gRPC would send even loopback traffic to http_proxy.
    arguments = [*CHANNEL, ("grpc.enable_http_proxy", int(not is_loopback(host)))]
    options: dict[str, Any] = {"channel_args": arguments}
    if not address.startswith(SECURE):
        return Peer(host, f"grpc://{host}", options)
    import grpc

    from deckwatch_client.tls import read_authorities

    roots = None if ca_file is None else read_authorities(ca_file)
    options["creds"] = grpc.ssl_channel_credentials(root_certificates=roots)
    return Peer(host, f"{SECURE}{host}", options)


class Clock:
    """The time left of one call's deadline, in seconds."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left(self) -> float:
        """Negative once it is over."""
        return self._end - time.monotonic()
