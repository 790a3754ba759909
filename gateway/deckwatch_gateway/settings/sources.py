"""Where settings come from: the environment first, then OpenTelemetry's variables, then a file.

The file is TOML, one line a setting, named by DECKWATCH_SETTINGS:

    triton = "grpc://triton:8001"
    max_in_flight = 32
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from deckwatch_gateway.settings.kinds import PREFIX
from deckwatch_vision.errors import UsageError

FILE_VARIABLE = f"{PREFIX}SETTINGS"

# What the OpenTelemetry specification calls some of our settings; ours win over them.
STANDARD: Mapping[str, tuple[str, ...]] = {
    "otlp_endpoint": ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
}

# Of other parts of Deckwatch; their names are near enough to those of settings to be mistaken.
OTHERS = frozenset(
    PREFIX + each
    for each in (
        "API_KEY", "CA_FILE", "DATA", "LOG_FORMAT", "MLFLOW", "MODEL_REPOSITORY", "RUNTIME",
        "SERVER", "SETTINGS", "TRITON_HEADER",
    )
)  # fmt: skip

Origin = Literal["environment", "file", "default"]

_given: ContextVar[Path | None] = ContextVar("settings_file", default=None)


@contextmanager
def settings_file(path: Path | None) -> Iterator[None]:
    """Read settings made in this block from `path` rather than from DECKWATCH_SETTINGS."""
    token = _given.set(path)
    try:
        yield
    finally:
        _given.reset(token)


def chosen_file() -> Path | None:
    """The settings file in use."""
    named = os.environ.get(FILE_VARIABLE)
    return _given.get() or (Path(named) if named else None)


class StandardSource(PydanticBaseSettingsSource):
    """Settings that OpenTelemetry names as well."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one setting in those variables."""
        found = (os.environ.get(each) for each in STANDARD.get(field_name, ()))
        return next(filter(None, found), None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All that are set."""
        values = {
            name: self.get_field_value(self.settings_cls.model_fields[name], name)[0]
            for name in STANDARD.keys() & self.settings_cls.model_fields
        }
        return {name: value for name, value in values.items() if value is not None}


class FileSource(PydanticBaseSettingsSource):
    """Settings from the file in use."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one setting in the file."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All of them. Raises UsageError, see `read_file`."""
        path = chosen_file()
        return {} if path is None else read_file(path, self.settings_cls)


def read_file(path: Path, settings: type[BaseSettings]) -> dict[str, Any]:
    """The settings in a TOML file; a list stands for its items with commas.

    Raises UsageError when it cannot be read, is no TOML, or has a key that is no setting.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UsageError(
            f"The settings file {path} cannot be read: {error.strerror}. "
            f"Correct {FILE_VARIABLE}, or leave it away."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The settings file {path} is not TOML ({error}). "
            'Write one setting a line, for instance max_in_flight = 32 or host = "127.0.0.1".'
        ) from None
    unknown = [_unknown(key, path, settings) for key in content.keys() - settings.model_fields]
    if unknown:
        raise UsageError(" ".join(sorted(unknown)))
    return {key: _plain(key, value, path) for key, value in content.items()}


def origin(name: str) -> Origin:
    """Where the setting `name` comes from."""
    set_ = {each.upper() for each, value in os.environ.items() if value}
    own = PREFIX + name.upper()
    # Ours counts even when it is empty: that is how one takes back what the file says.
    if own in {each.upper() for each in os.environ} or set_.intersection(STANDARD.get(name, ())):
        return "environment"
    path = chosen_file()
    if path is not None:
        with path.open("rb") as file:
            if name in tomllib.load(file):
                return "file"
    return "default"


def misspelt(settings: type[BaseSettings]) -> dict[str, str]:
    """Variables that are no settings but nearly, with the variable that was probably meant.

    Only told and not refused: whatever runs the gateway may set variables of its own.
    """
    known = [PREFIX + name.upper() for name in settings.model_fields]
    unknown = [
        each
        for each in os.environ
        if each.upper().startswith(PREFIX) and each.upper() not in OTHERS.union(known)
    ]
    near = {each: difflib.get_close_matches(each.upper(), known, 1, 0.85) for each in unknown}
    return {each: found[0] for each, found in sorted(near.items()) if found}


def _unknown(key: str, path: Path, settings: type[BaseSettings]) -> str:
    # Whoever copies a variable's name into the file means that setting.
    wanted = key.lower().removeprefix(PREFIX.lower())
    near = difflib.get_close_matches(wanted, settings.model_fields, n=1)
    cure = f"Did you mean {near[0]}?" if near else "`deckwatch gateway settings` lists them all."
    return f"{key!r} in {path} is no setting. {cure}"


def _plain(key: str, value: object, path: Path) -> object:
    """A TOML value as a variable would carry it. Raises UsageError for tables."""
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ",".join(str(each) for each in value)
    if isinstance(value, str | int | float):
        return value
    raise UsageError(
        f"{key!r} in {path} is neither text, a number, true, false nor a list of them. "
        f'Write {key} = "..." before any [table].'
    )
