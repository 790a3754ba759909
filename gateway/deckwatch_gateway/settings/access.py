"""Who may call, how often, and how much a request may bring."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS


class AccessSettings(BaseSettings):
    """Settings of what is let in."""

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
