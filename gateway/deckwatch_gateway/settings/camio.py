"""Camio's hooks: keys, queue, callbacks and label names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from deckwatch_gateway.camio.callback_url import parse_hosts
from deckwatch_gateway.camio.labels import parse_names
from deckwatch_gateway.settings.kinds import OptionalFile, Seconds, Share
from deckwatch_vision.images import MAX_BYTES

# A day at sea without a link is usual; a month is a lost customer.
Days = Annotated[float, Field(gt=0, le=30 * 24 * 3600)]


class CamioSettings(BaseSettings):
    """Settings of the exchange with Camio; without keys there is none."""

    camio_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys in the paths that Camio calls, /tasks/<key>, one a customer, with "
        "commas: the key alone, or NAME KEY. None here and none in the file: no hooks.",
    )
    camio_keys_file: OptionalFile = Field(
        default=None,
        description="A file with such keys or their digests, one a line, read again when it "
        "changes, so that keys can be exchanged without a restart.",
    )
    camio_queue: str = Field(
        default="",
        description="Where events wait: the path of an SQLite file, or redis://host:port/0 or "
        "rediss://... where several gateways share the work. Empty: deckwatch/camio.sqlite under "
        "XDG_STATE_HOME (~/.local/state).",
    )
    camio_callback_hosts: str = Field(
        default="camio.com,*.camio.com",
        description="Hosts that labels may be sent to, with commas: a name stands for itself, "
        "*.name for every host below it, name:port for another port than 443.",
    )
    camio_allow_loopback: bool = Field(
        default=False,
        description="Send labels to this machine as well, by plain http too: for trying the "
        "exchange out, never in production.",
    )
    camio_labels: str = Field(
        default="",
        description="Label names other than the release's: CODE=name with commas, for instance "
        "DOL=dorado,OTHER=fish; CODE= alone gives that species no label.",
    )
    camio_threshold: Share = Field(
        default=0.5, description="A label is sent at or above this probability."
    )
    camio_polygons: bool = Field(
        default=False,
        description="Send the corners of the best fish's box as a label's polygon; Camio does not "
        "document their form.",
    )
    camio_max_age_s: Days = Field(
        default=24 * 3600.0,
        description="An event that could not be answered within this many seconds is put aside "
        "with its reason; `deckwatch camio events --dead` lists those.",
    )
    camio_retry_first_s: Seconds = Field(
        default=1.0, description="Longest pause before the first retry, in seconds; then doubled."
    )
    camio_retry_longest_s: Seconds = Field(
        default=300.0, description="Longest pause between two retries, in seconds."
    )
    camio_callback_timeout_s: Seconds = Field(
        default=10.0, description="Longest wait for a callback to be taken, in seconds."
    )
    camio_max_events: int = Field(
        default=1000,
        ge=1,
        description="Events that may wait; further ones are answered with 503 and Retry-After.",
    )
    camio_max_queue_bytes: int = Field(
        default=4 * 1024**3,
        ge=1024,
        description="Bytes of events that the queue may hold, on its disk or in Redis' memory; "
        "further events are answered with 503 and Retry-After.",
    )
    camio_max_images: int = Field(
        default=64, ge=1, le=1000, description="Most images of one event."
    )
    camio_max_body_bytes: int = Field(
        default=MAX_BYTES, ge=1024, description="Largest event accepted, in bytes."
    )
    camio_workers: int = Field(
        default=2, ge=1, le=64, description="Events worked on at once by one gateway."
    )
    camio_lease_s: Annotated[float, Field(gt=0.1, le=3600)] = Field(
        default=30.0,
        description="How long an event stays claimed by a gateway that was killed, in seconds, "
        "before another one goes on with it; the same for all gateways of a queue.",
    )
    camio_keep_dead_s: Days = Field(
        default=30 * 24 * 3600.0,
        description="How long an event that was put aside is kept to be replayed, in seconds; of "
        "more than DECKWATCH_CAMIO_MAX_EVENTS the newest.",
    )
    camio_keep_delivered_s: Days = Field(
        default=7 * 24 * 3600.0,
        description="How long the labels of an answered event are kept, in seconds, so that the "
        "same event sent again gets the same labels; its images are deleted at once.",
    )
    camio_oauth_token: SecretStr = Field(
        default=SecretStr(""),
        description="Camio's OAuth token, for `deckwatch camio register` and `hooks`.",
    )

    @field_validator("camio_callback_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        parse_hosts(value)
        return value

    @field_validator("camio_labels")
    @classmethod
    def _names(cls, value: str) -> str:
        parse_names(value)
        return value
