"""Kinds of values that several groups of settings have."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

PREFIX = "DECKWATCH_"
"""What the environment variable of every setting begins with."""

Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
# An empty variable is how a container leaves something unset.
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]


def is_loopback(host: str) -> bool:
    """Whether listening on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # some other name: it may stand for any address
        return False
