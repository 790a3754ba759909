"""Where the gateway listens, how patient it is with connections, and how it stops."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from deckwatch_gateway.settings.kinds import OptionalFile, Seconds


class ListeningSettings(BaseSettings):
    """Settings of the HTTP server."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Beyond loopback only with keys, or with "
        "DECKWATCH_ALLOW_PUBLIC=true.",
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    allow_public: bool = Field(
        default=False,
        description="Listen beyond loopback although callers are not asked for a key.",
    )
    tls_cert: OptionalFile = Field(
        default=None,
        description="Certificate chain, PEM, to serve HTTPS with; read again when it changes.",
    )
    tls_key: OptionalFile = Field(
        default=None, description="Its private key, PEM, without a password."
    )
    max_connections: int = Field(
        default=1024,
        ge=1,
        description="Connections at once; for one more an idle one is closed, or it is refused "
        "with 503.",
    )
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        description="Connections at once from one address (of IPv6, one /64) beyond loopback and "
        "DECKWATCH_TRUSTED_PROXIES.",
    )
    header_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for a request's headers, in seconds."
    )
    body_timeout_s: Seconds = Field(
        default=30.0,
        description="Longest wait for a request's whole body, and until its answer was read, in "
        "seconds.",
    )
    keep_alive_s: Seconds = Field(
        default=65.0,
        description="How long an idle connection is kept, in seconds; longer than the load "
        "balancer in front keeps its own (60 s as a rule), or it meets closed connections.",
    )
    retry_after_s: int = Field(
        default=1, ge=1, le=3600, description="The Retry-After of a 503 answer, in seconds."
    )
    drain_s: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="After SIGTERM, how long requests are still accepted while /readyz already "
        "says no, in seconds; give a load balancer time to notice.",
    )
    shutdown_timeout_s: Seconds = Field(
        default=20.0,
        description="After that, how long requests in flight may take to finish, in seconds.",
    )
