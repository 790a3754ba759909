"""Kinds of values that several groups of settings have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

PREFIX = "DECKWATCH_"
"""What the environment variable of every setting begins with."""

Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
# An empty variable is how a container leaves something unset.
OptionalFile = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
