"""The gateway as a child process of the launcher; its code is `deckwatch_gateway`, not ours."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import sys

from deckwatch_serving import probe
from deckwatch_serving.child import Child, new_log
from deckwatch_serving.ports import LOOPBACK, free_ports, require_free
from deckwatch_vision.errors import MissingExtra, ServerError, UsageError

_GRACE_S = 8.0


class GatewayProcess:
    """`python -m deckwatch_gateway` in front of a Triton server.

    Args:
        triton_url: grpc://host:port of the Triton server.
        host: address to listen on.
        port: 0 takes a free one.

    Attributes:
        asks_for_keys: whether callers need a key; known once `check_answers` has asked.

    Raises:
        MissingExtra: the extra `gateway` is not installed.
        UsageError: the environment asks for HTTPS.
    """

    name = "gateway"

    def __init__(self, triton_url: str, *, host: str = LOOPBACK, port: int = 8080) -> None:
        for package in ("fastapi", "uvicorn", "pydantic_settings"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(
                    f"The gateway is not installed (no package {package}). "
                    "Install it with: pip install 'deckwatch[local,gateway]'"
                )
        self.host = host
        self.asks_for_keys = False
        self.port = port or free_ports(1)[0]
        environment = dict(os.environ)
        if environment.get("DECKWATCH_TLS_CERT"):
            raise UsageError(
                "DECKWATCH_TLS_CERT is set, but `deckwatch up` serves plain HTTP on this machine. "
                "Unset it, or run `deckwatch gateway serve` for HTTPS."
            )
        environment.setdefault("DECKWATCH_SHUTDOWN_TIMEOUT_S", "5")  # a laptop's user waits for it
        environment |= {
            "DECKWATCH_HOST": host,
            "DECKWATCH_PORT": str(self.port),
            "DECKWATCH_TRITON": triton_url,
        }
        self.child = Child(
            [sys.executable, "-m", "deckwatch_gateway"],
            environment=environment,
            log=new_log(self.name),
            grace_s=_GRACE_S,
        )

    @property
    def url(self) -> str:
        """Where a browser or curl on this machine finds the gateway."""
        host = _reachable(self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Start the gateway; returns at once.

        Raises:
            LauncherError: its port is taken.
        """
        require_free(self.host, self.port, "--port", wait_s=_GRACE_S if self.child.pid else 0.0)
        self.child.start()

    def check_ready(self) -> None:
        """Ask the gateway once whether it and Triton behind it are ready.

        Raises:
            ServerUnavailable: not yet, or no longer.
        """
        status, _ = self._request("GET", "/readyz")
        if status != 200:
            raise probe.not_ready(f"The gateway at {self.url}", status)

    def check_answers(self) -> None:
        """Let the gateway recognise a generated picture.

        Raises:
            ServerError: it does not answer as it should.
        """
        status, body = self._request("POST", "/classifyfish", probe.generated_picture())
        self.asks_for_keys = status == 401
        if self.asks_for_keys:  # at /readyz it said that it recognised a picture
            return
        if status != 200:
            raise ServerError(
                f"The gateway answers a generated picture with status {status}: "
                f"{body.decode(errors='replace')}. Its log: {self.child.log}"
            )

    def broken(self) -> str | None:
        """None: the gateway mends itself or ends."""
        return None

    def _request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        headers = {"Content-Type": "image/jpeg"} if body else {}
        return probe.request(
            self.port, method, path, body=body, headers=headers, host=_reachable(self.host)
        )


def _reachable(host: str) -> str:
    """The address to call for a server that listens on `host`, which may mean "any"."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return LOOPBACK if address.version == 4 else "::1"
