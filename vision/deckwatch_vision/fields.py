"""Strict reading of a JSON object: every key is known, present and of its type."""

from __future__ import annotations

import math
from typing import Any

from deckwatch_vision.errors import ReleaseCorrupt


class Fields:
    """Hands out the values of one JSON object by key and type; `done` refuses keys never asked for.

    Every method raises ReleaseCorrupt naming the key (as `where.key`), what stands there and what
    was expected.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ReleaseCorrupt(f"{where}: expected a JSON object, found {_shown(value)}. {_CURE}")
        self._values: dict[str, Any] = dict(value)
        self._where = where
        self._known: set[str] = set()

    def raw(self, key: str) -> Any:
        """The value as JSON gave it."""
        self._known.add(key)
        if key not in self._values:
            raise ReleaseCorrupt(f"{self.name(key)}: the key is missing. {_CURE}")
        return self._values[key]

    def name(self, key: str) -> str:
        """The key with the way to it, for messages."""
        return f"{self._where}.{key}"

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self.raw(key)
        if not isinstance(value, str) or not value:
            raise self.refusal(key, "a string that is not empty")
        return value

    def text_or_none(self, key: str) -> str | None:
        """A string that is not empty, or null."""
        return None if self.raw(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self.raw(key)
        if not isinstance(value, bool):
            raise self.refusal(key, "true or false")
        return value

    def integer(self, key: str, least: int) -> int:
        """A whole number of at least `least`."""
        value = self.raw(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.refusal(key, f"a whole number of at least {least}")
        return value

    def number(self, key: str, least: float, most: float = math.inf) -> float:
        """A finite number from `least` to `most`, both allowed."""
        value = self.raw(key)
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not math.isfinite(value) or not least <= value <= most:
            limit = "" if math.isinf(most) else f" and at most {most:g}"
            raise self.refusal(key, f"a number of at least {least:g}{limit}")
        return float(value)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of the strings in `allowed`."""
        value = self.raw(key)
        if value not in allowed:
            raise self.refusal(key, f"one of {', '.join(allowed)}")
        return str(value)

    def items(self, key: str) -> list[Any]:
        """A list that is not empty."""
        value = self.raw(key)
        if not isinstance(value, list) or not value:
            raise self.refusal(key, "a list that is not empty")
        return value

    def table(self, key: str) -> dict[str, Any]:
        """A JSON object, taken as it is."""
        value = self.raw(key)
        if not isinstance(value, dict):
            raise self.refusal(key, "a JSON object")
        return dict(value)

    def refusal(self, key: str, expected: str) -> ReleaseCorrupt:
        """The error for a value that is not what was expected."""
        given = _shown(self._values.get(key))
        return ReleaseCorrupt(f"{self.name(key)}: expected {expected}, found {given}. {_CURE}")

    def done(self) -> None:
        """Refuse keys that nobody asked for: a misspelt key must not pass in silence."""
        unknown = sorted(set(self._values) - self._known)
        if unknown:
            raise ReleaseCorrupt(
                f"{self.name(unknown[0])}: unknown key; expected only "
                f"{', '.join(sorted(self._known))}. {_CURE}"
            )


_CURE = "Export the release again, or install the version of Deckwatch that wrote it"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
