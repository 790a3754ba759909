"""Fields of JSON objects that other programs wrote: checked, and named where they are wrong."""

from __future__ import annotations

import math
from typing import Any

from deckwatch_vision.errors import DeckwatchError


class Object:
    """A JSON object and where it stands; each getter raises DeckwatchError naming the field."""

    def __init__(self, where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise DeckwatchError(f"{where} is {value!r:.60}, expected an object.")
        self.where = where
        self.value = value

    def text(self, key: str) -> str:
        """A text that has to be there."""
        found = self.value.get(key)
        if not isinstance(found, str) or not found:
            raise self.error(key, "a text")
        return found

    def text_or_none(self, key: str) -> str | None:
        """A text, or None where there is none."""
        return None if self.value.get(key) in (None, "") else self.text(key)

    def number(self, key: str) -> float:
        """A finite number that has to be there."""
        return self._number(self.value.get(key), key)

    def whole(self, key: str) -> int:
        """A whole number that has to be there."""
        found = self.number(key)
        if found != int(found):
            raise self.error(key, "a whole number")
        return int(found)

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """So many finite numbers."""
        found = self.value.get(key)
        if not isinstance(found, list) or len(found) != count:
            raise self.error(key, f"a list of {count} numbers")
        return tuple(self._number(each, key) for each in found)

    def objects(self, key: str) -> list[Object]:
        """A list of objects."""
        found = self.value.get(key)
        if not isinstance(found, list):
            raise self.error(key, "a list")
        return [Object(f"{self.where}, {key}[{i}]", each) for i, each in enumerate(found)]

    def error(self, key: str, expected: str) -> DeckwatchError:
        """What is wrong with a field."""
        found = self.value.get(key, "missing")
        return DeckwatchError(f"{self.where}: {key} is {found!r:.60}, expected {expected}.")

    def _number(self, found: Any, key: str) -> float:
        if (
            isinstance(found, bool)
            or not isinstance(found, int | float)
            or not math.isfinite(found)
        ):
            raise self.error(key, "a number")
        return float(found)
