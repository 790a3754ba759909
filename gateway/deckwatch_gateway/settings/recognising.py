"""Triton, which recognises, and how much it is asked at once."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from deckwatch_gateway.settings.kinds import Seconds


class RecognisingSettings(BaseSettings):
    """Settings of the way to Triton."""

    triton: str = Field(
        default="grpc://127.0.0.1:8001", description="Triton's gRPC service, grpc://host:port."
    )
    triton_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for Triton's answer to one picture, in seconds."
    )
    max_in_flight: int = Field(
        default=16,
        ge=1,
        description="Pictures at Triton at once; more are refused with 503 and Retry-After.",
    )

    @field_validator("triton")
    @classmethod
    def _grpc_address(cls, value: str) -> str:
        host, _, port = value.removeprefix("grpc://").rpartition(":")
        if "/" in host or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(
                f"{value!r} is not the address of a gRPC service. "
                "Give grpc://host:port, for instance grpc://127.0.0.1:8001."
            )
        return value
