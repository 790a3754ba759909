"""Who may call, how often, and how much a request may bring."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from deckwatch_gateway.proxies import parse_networks
from deckwatch_gateway.settings.kinds import OptionalFile
from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS


class AccessSettings(BaseSettings):
    """Settings of what is let in."""

    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys of callers, with commas: NAME KEY [SCOPE...], the scopes being classify "
        "(the usual one) and metrics. None here and none in the file: callers need no key.",
    )
    api_keys_file: OptionalFile = Field(
        default=None,
        description="A file with such keys or their digests, one a line, read again when it "
        "changes; `deckwatch gateway key NAME` makes a line.",
    )
    wrong_keys_a_minute: float = Field(
        default=20.0,
        ge=0,
        description="Wrong keys that one address may show in a minute before it is refused with "
        "429; 0 for any number.",
    )
    rate_per_key: float = Field(
        default=0.0,
        ge=0,
        description="Requests a second that each key may make in the long run; 0 for any number.",
    )
    rate_per_address: float = Field(
        default=0.0,
        ge=0,
        description="Requests a second that each address (of IPv6, each /64) may make in the long "
        "run; 0 for any number.",
    )
    rate_burst: int = Field(
        default=20,
        ge=1,
        description="Requests that a key or an address with such a rate may make at once.",
    )
    hosts: str = Field(
        default="",
        description="Names under which the gateway is called, with commas, beside its addresses "
        "and localhost; others get 421. Empty: any name, but on loopback without keys none, "
        "because a web page could have its own name lead there.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Networks of the proxies in front, with commas, for instance 10.0.0.0/8: from "
        "them X-Forwarded-For and X-Forwarded-Proto are believed.",
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

    @property
    def asks_for_keys(self) -> bool:
        """Whether callers need a key."""
        return bool(self.api_keys.get_secret_value().strip()) or self.api_keys_file is not None

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        parse_networks(value)
        return value
