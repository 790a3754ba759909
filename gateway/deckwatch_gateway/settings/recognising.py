"""Triton, which recognises, and how much it is asked at once."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from deckwatch_client.replicas_addresses import parse_addresses
from deckwatch_gateway.settings.kinds import Seconds
from deckwatch_vision.errors import UsageError


class RecognisingSettings(BaseSettings):
    """Settings of the way to Triton."""

    triton: str = Field(
        default="grpc://127.0.0.1:8001",
        description="Triton's gRPC service, grpc://host:port; several as grpc://a:8001,b:8001, or "
        "dns:///name:port for every address of a name. Pictures are spread over them.",
    )
    triton_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for Triton's answer to one picture, in seconds."
    )
    triton_hedge_ms: int = Field(
        default=0,
        ge=0,
        le=60_000,
        description="Of several Triton servers, ask a second one where the first has not answered "
        "within this many milliseconds, for one picture in twenty at most. 0: never.",
    )
    max_in_flight: int = Field(
        default=64,
        ge=1,
        description="Pictures at Triton at most; how many of these are used follows from what is "
        "measured, see docs/security.md.",
    )
    max_queued: int = Field(
        default=64,
        ge=0,
        description="Callers that may wait for their turn at Triton; more are refused with 503 "
        "and Retry-After, and under overload all that would have to wait are.",
    )
    max_wait_s: Seconds = Field(
        default=5.0,
        description="How long a caller waits for that turn at most, in seconds; the wait is part "
        "of DECKWATCH_TRITON_TIMEOUT_S.",
    )

    @field_validator("triton")
    @classmethod
    def _grpc_address(cls, value: str) -> str:
        try:
            parse_addresses(value, tls=False)
        except UsageError as error:
            raise ValueError(error.message) from None
        return value
