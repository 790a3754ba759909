"""JSON files too long for memory: arrays written item by item, and read so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from deckwatch_vision.errors import DeckwatchError, UsageError

_CHUNK = 1 << 16
_SPACE = " \t\r\n"


class Items:
    """Writes the items of one array, a line each; the brackets are the caller's."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self._first = True

    def add(self, item: Any) -> None:
        """Write one item."""
        self.add_raw((json.dumps(item),))

    def add_raw(self, pieces: Iterable[str]) -> None:
        """Write one item that comes as pieces of its text."""
        self._stream.write("\n" if self._first else ",\n")
        self._stream.writelines(pieces)
        self._first = False


class Part(NamedTuple):
    """A value under a key of the outermost object, or one item of an array there.

    `place` is the item's number from 0, -1 for an array that begins, None for another value; the
    key of an outermost array is "".
    """

    key: str
    place: int | None
    value: Any

    @property
    def where(self) -> str:
        """How an error names it."""
        return self.key if self.place is None else f"{self.key}[{self.place}]"


def walk(path: Path) -> Iterator[Part]:
    """The parts of a JSON file in its order, with only one item of an array in memory at once.

    Raises:
        UsageError: the file cannot be opened.
        DeckwatchError: it is not JSON; the message names the place.
    """
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}). Check the path.") from None
    with file:
        text = _Text(path, file)
        try:
            yield from _parts(text)
            if text.peek():
                raise text.error("more after the end")
        except UnicodeDecodeError as error:
            raise DeckwatchError(f"{path} is not text in UTF-8 ({error.reason}).") from None


def items(path: Path, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of the array under `key`, each with its place for errors."""
    for part in walk(path):
        if part.key == key and part.place is not None and part.place >= 0:
            where = f"{path}, {part.where}"
            if not isinstance(part.value, dict):
                raise DeckwatchError(f"{where} is {part.value!r:.40}, expected an object.")
            yield where, part.value


def _parts(text: _Text) -> Iterator[Part]:
    if text.peek() == "[":
        yield from _items(text, "")
        return
    text.expect("{")
    if text.peek() == "}":
        text.expect("}")
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.error(f"a key is {key!r:.40}")
        text.expect(":")
        if text.peek() == "[":
            yield from _items(text, key)
        else:
            yield Part(key, None, text.value())
        if text.peek() == "}":
            text.expect("}")
            return
        text.expect(",")


def _items(text: _Text, key: str) -> Iterator[Part]:
    text.expect("[")
    yield Part(key, -1, None)
    place = 0
    while text.peek() != "]":
        if place:
            text.expect(",")
        yield Part(key, place, text.value())
        place += 1
    text.expect("]")


class _Text:
    """The file's text, of which only what is not yet read is kept."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._dropped = 0
        self._ended = False

    def peek(self) -> str:
        """The next sign that is no space; "" at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _SPACE:
                    return self._buffer[self._at]
                self._at += 1
            if not self._fill():
                return ""

    def expect(self, sign: str) -> None:
        """Go past a sign."""
        found = self.peek()
        if found != sign:
            raise self.error(
                f"{sign!r} expected, found {found!r}" if found else "it ends too early"
            )
        self._at += 1

    def value(self) -> Any:
        """Read one value, however long."""
        self.peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                place = self._dropped + error.pos
                if not self._fill():
                    raise self.error(error.msg, place) from None
                continue
            except RecursionError:
                raise self.error("it is nested too deeply") from None
            # A number at the end of what was read may go on.
            if end < len(self._buffer) or not self._fill():
                self._at = end
                return found

    def error(self, what: str, place: int | None = None) -> DeckwatchError:
        """What is wrong, and at which character."""
        place = self._dropped + self._at if place is None else place
        return DeckwatchError(f"{self._path} is not JSON: {what}, at character {place}.")

    def _fill(self) -> bool:
        if self._ended:
            return False
        self._buffer = self._buffer[self._at :]
        self._dropped += self._at
        self._at = 0
        # Twice as much each time: a long value is not tried again for every chunk.
        read = self._file.read(max(_CHUNK, len(self._buffer)))
        self._buffer += read
        self._ended = not read
        return bool(read)
