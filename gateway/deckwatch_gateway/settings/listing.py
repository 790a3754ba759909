"""Settings as a list to print: value, origin and meaning, secrets hidden."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deckwatch_gateway.settings.kinds import PREFIX
from deckwatch_gateway.settings.sources import Origin, origin, settings_file

HIDDEN = "(hidden)"

# A password in an address, as in redis://user:password@host.
_PASSWORD = re.compile(r"(?<=://)([^/?#@]*)(?=@)")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting. `value` is fit for JSON."""

    variable: str
    value: Any
    origin: Origin
    description: str

    @property
    def text(self) -> str:
        """The value as one would write it into the environment."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return str(self.value)

    def as_dict(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self)


def listed(settings: BaseSettings, file: Path | None = None) -> list[Row]:
    """Every setting in the order of the documentation; `file` is the one it was read from."""
    with settings_file(file):
        return [
            Row(PREFIX + name.upper(), shown(getattr(settings, name)), origin(name),
                field.description or "")
            for name, field in type(settings).model_fields.items()
        ]  # fmt: skip


def shown(value: object) -> Any:
    """A value without what must stay secret in it."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, bool | int | float):
        return value
    return "" if value is None else _PASSWORD.sub(HIDDEN, str(value))


def is_secret(field: FieldInfo) -> bool:
    """Whether values of this field must not be shown."""
    return "SecretStr" in str(field.annotation)
