"""Keeping pictures worth labelling."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from deckwatch_gateway.settings.kinds import Share
from deckwatch_serving.keep.interest import Policy
from deckwatch_serving.keep.store import MAX_BYTES as MAX_KEPT_BYTES
from deckwatch_serving.keep.store import MAX_PICTURES

POLICY = Policy()


class KeepingSettings(BaseSettings):
    """Settings of the keeper."""

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
