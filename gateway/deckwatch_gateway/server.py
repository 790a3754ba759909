"""Serving the application: one uvicorn server that stops in an orderly way.

On SIGTERM or SIGINT the gateway says no at /readyz first, goes on serving for
DECKWATCH_DRAIN_S, then takes no new connections and finishes what is in flight. A second signal
ends the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.config import STARTUP_FAILURE

from deckwatch_gateway.app import create_app
from deckwatch_gateway.connections import Connections, allow_files
from deckwatch_gateway.logs import log
from deckwatch_gateway.protocol import GatewayProtocol
from deckwatch_gateway.proxies import parse_networks
from deckwatch_gateway.routes import Parts
from deckwatch_gateway.settings import Settings
from deckwatch_gateway.tls import Certificate
from deckwatch_vision.errors import UsageError

SIGNALS = (signal.SIGTERM, signal.SIGINT)
BACKLOG = 2048


class GatewayServer(uvicorn.Server):
    """A uvicorn server for the gateway on a socket of its own; `url` is where it listens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._certificate = _certificate(settings)
        self._app = create_app(settings)
        self._socket = _listen(settings.host, settings.port)
        self.host, self.port = self._socket.getsockname()[:2]
        super().__init__(_uvicorn_config(self._app, settings, self._certificate))

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://{host}:{self.port}"

    def serve_until_stopped(self) -> None:
        """Serve until a signal (or `stop`) and until everything in flight is finished."""
        allow_files(self._settings.max_connections)
        log.info("listening", url=self.url, triton=self._settings.triton)
        self.run(sockets=[self._socket])
        log.info("stopped")

    def stop(self) -> None:
        """Begin to stop; called again, stop waiting. Safe to call from a signal handler."""
        parts = self._parts()
        if self.should_exit:
            self.force_exit = True
        elif parts is None or parts.readiness.draining or not self._settings.drain_s:
            self.should_exit = True
        else:
            # A thread, because a signal handler may run between any two steps of the loop.
            timer = threading.Timer(self._settings.drain_s, self._end_drain)
            timer.daemon = True
            timer.start()
        if parts is not None:
            parts.readiness.drain()

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.stop()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but an orderly stop ends with status 0 instead of dying by the signal."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's for our one socket, with a limit on how long a TLS handshake takes."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        config, loop = self.config, asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            make = cast("Any", config.http_protocol_class)
            made: asyncio.Protocol = make(
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        timeout_s = self._settings.header_timeout_s if config.ssl else None
        server = await loop.create_server(
            protocol,
            sock=self._socket,
            ssl=config.ssl,
            backlog=config.backlog,
            ssl_handshake_timeout=timeout_s,
        )
        self.servers = [server]
        self.started = True

    @override
    async def on_tick(self, counter: int) -> bool:
        if self._certificate:
            self._certificate.refresh()
        return await super().on_tick(counter)

    def _end_drain(self) -> None:
        self.should_exit = True

    def _parts(self) -> Parts | None:
        return cast("Parts | None", getattr(self._app.state, "parts", None))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises UsageError when the address cannot be had, with what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}. Stop what uses it, or choose "
            "another address with DECKWATCH_HOST and DECKWATCH_PORT (0 takes a free port)."
        ) from error


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


def _uvicorn_config(
    app: FastAPI, settings: Settings, certificate: Certificate | None
) -> uvicorn.Config:
    protocol: Any = functools.partial(
        GatewayProtocol,
        header_timeout_s=settings.header_timeout_s,
        send_timeout_s=settings.body_timeout_s,
        counted=Connections(
            most=settings.max_connections,
            per_address=settings.max_connections_per_address,
            trusted=parse_networks(settings.trusted_proxies),
            metrics=app.state.admission_metrics,
        ),
    )
    return uvicorn.Config(
        app,
        http=protocol,
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,  # `deckwatch_gateway.logs` does it
        access_log=False,  # `deckwatch_gateway.observe` does it
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]
        timeout_graceful_shutdown=settings.shutdown_timeout_s,  # type: ignore[arg-type]
    )
