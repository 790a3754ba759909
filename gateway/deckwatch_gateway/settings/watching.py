"""What the gateway tells of itself: logs, metrics and traces."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from deckwatch_gateway.settings.kinds import Share


class WatchingSettings(BaseSettings):
    """Settings of logs, metrics and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line written; `debug` shows probes as well."
    )
    metrics_cameras: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Cameras that get metrics of their own, the first ones seen; pictures of all "
        "others are counted as `other`.",
    )
    otlp_endpoint: str = Field(
        default="",
        description="Collector that traces are sent to by OTLP over gRPC, http://host:4317 (https "
        "with TLS). OTEL_EXPORTER_OTLP_ENDPOINT is heeded as well. Empty: no traces.",
    )
    trace_share: Share = Field(
        default=1.0,
        description="Share of the requests that are traced; a trusted caller that traces its own "
        "decides for them.",
    )
    trace_callers: bool = Field(
        default=False,
        description="Join the trace that a caller's traceparent header names. Only where callers "
        "are trusted: they then decide what is traced. Otherwise such a trace is linked to.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("otlp_endpoint")
    @classmethod
    def _collector(cls, value: str) -> str:
        if value:
            address = urlsplit(value)
            if address.scheme not in ("http", "https") or not address.hostname:
                raise ValueError(
                    f"{value!r} is not the address of a collector. Give http://host:4317, or "
                    "https://host:4317 where it speaks TLS"
                )
        return value
