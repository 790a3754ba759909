"""Every setting of the gateway, read from the environment (DECKWATCH_ and the name in capitals).

`read_settings()` refuses what would be unsafe or cannot work and names the variable to change.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from deckwatch_serving.keep.interest import Policy
from deckwatch_serving.keep.store import MAX_BYTES as MAX_KEPT_BYTES
from deckwatch_serving.keep.store import MAX_PICTURES
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS

PREFIX = "DECKWATCH_"

Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]

POLICY = Policy()


class Settings(BaseSettings):
    """The gateway's settings; frozen, so that a running gateway cannot drift from its start."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Beyond loopback only with DECKWATCH_ALLOW_PUBLIC=true.",
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    allow_public: bool = Field(
        default=False,
        description="Listen beyond loopback although callers are not asked for a key.",
    )
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
    max_body_bytes: int = Field(
        default=MAX_BYTES, ge=1024, description="Largest request body accepted, in bytes."
    )
    max_held_bytes: int = Field(
        default=8 * MAX_BYTES,
        ge=1024,
        description="Bytes of request bodies held in memory at once, over all requests; joining "
        "and sending them on takes up to three times as much for a moment.",
    )
    max_pixels: int = Field(
        default=MAX_PIXELS,
        ge=1,
        description="Largest picture accepted, in pixels (width x height).",
    )
    header_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for a request's headers, in seconds."
    )
    body_timeout_s: Seconds = Field(
        default=30.0, description="Longest wait for a request's whole body, in seconds."
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
    keep: str = Field(
        default="",
        description="Where pictures worth labelling are kept with their answers: a folder on a "
        "local disk, or s3://bucket/prefix. Empty keeps none. Pictures can show people: see "
        "docs/labelling.md.",
    )
    keep_max_bytes: int = Field(
        default=MAX_KEPT_BYTES,
        ge=1024,
        description="Bytes that a folder of kept pictures may hold; the least interesting leave.",
    )
    keep_max_pictures: int = Field(
        default=MAX_PICTURES, ge=1, description="Pictures that such a folder may hold."
    )
    keep_below: Share = Field(
        default=POLICY.below,
        description="A picture is unsure when its most likely class has less than this.",
    )
    keep_margin: Share = Field(
        default=POLICY.margin,
        description="A picture is unsure when its most likely class leads the next by less.",
    )
    keep_faint: Share = Field(
        default=POLICY.faint, description="A fish with a lower score than this is faint."
    )
    keep_sensitive: str = Field(
        default=",".join(POLICY.sensitive),
        description="Codes of the species of which every picture is worth keeping, with commas.",
    )
    keep_seldom: int = Field(
        default=POLICY.seldom,
        ge=0,
        description="A vessel, a camera, or the nights of one are seldom seen until this many of "
        "their pictures were.",
    )
    keep_sample: Share = Field(
        default=POLICY.sample,
        description="Share of all pictures kept at random, to find answers that are sure and "
        "wrong.",
    )
    keep_least: Share = Field(
        default=POLICY.least, description="Pictures of less interest than this are not kept."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line written; `debug` shows probes as well."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

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

    @model_validator(mode="after")
    def _stay_on_loopback(self) -> Self:
        if not self.allow_public and not is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}HOST={self.host!r} listens beyond this machine, where anyone could use "
                "it without a key. Keep 127.0.0.1, or set DECKWATCH_ALLOW_PUBLIC=true where a "
                "proxy or network policy in front decides who may call."
            )
        return self

    @model_validator(mode="after")
    def _hold_one_body(self) -> Self:
        if self.max_held_bytes < self.max_body_bytes:
            raise ValueError(
                f"{PREFIX}MAX_HELD_BYTES={self.max_held_bytes} is less than "
                f"{PREFIX}MAX_BODY_BYTES={self.max_body_bytes}, so the largest body allowed could "
                "never be taken. Raise the first or lower the second."
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether listening on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # some other name: it may stand for any address
        return False


def read_settings() -> Settings:
    """The settings from the environment.

    Raises UsageError naming every variable that is wrong and what it should be.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise UsageError("; ".join(_explain(found) for found in error.errors())) from None


def _explain(found: object) -> str:
    """One validation error in a sentence; our own messages already name their variable."""
    details: dict[str, object] = dict(found)  # type: ignore[call-overload]
    message = str(details["msg"]).removeprefix("Value error, ").rstrip(".")
    place = details["loc"]
    if not place:
        return f"{message}."
    name = PREFIX + str(place[0]).upper()  # type: ignore[index]
    return f"{name}={details['input']!r}: {message}."
