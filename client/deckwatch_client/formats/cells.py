"""Cells of CSV files: safe in a spreadsheet, exact when read back, errors with file, line, column.

A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV
injection); reading takes it away again.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deckwatch_client.formats.files import WholeFile
from deckwatch_vision.errors import DeckwatchError, UsageError

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK = "'"
_SPECIAL = re.compile(r'[",\r\n]')
# File names that are no UTF-8 keep their bytes, so that a program finds the file.
NAMES = "surrogateescape"


def guarded(text: str) -> str:
    """A text that no spreadsheet calculates.

    >>> guarded("=1+1"), guarded("'=1"), guarded("a=1")
    ("'=1+1", "''=1", 'a=1')
    """
    return _MARK + text if text.lstrip(_MARK).startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    if text.startswith(_MARK) and text.lstrip(_MARK).startswith(_FORMULA):
        return text[1:]
    return text


class Table:
    """A CSV file with a header, written whole.

    errors: for file names that are no UTF-8, see `codecs`. guard: against formulas.
    """

    def __init__(
        self, path: Path, columns: Iterable[str], *, errors: str = NAMES, guard: bool = True
    ) -> None:
        self._guard = guarded if guard else str
        self.columns = tuple(columns)
        self._file = WholeFile(path, errors=errors)
        self._line(self.columns)

    def write(self, row: dict[str, Any]) -> None:
        """Write the cells by column; what is missing or None is empty."""
        self._line(self._cell(row.get(column)) for column in self.columns)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        self._file.abort()

    def _line(self, cells: Iterable[str]) -> None:
        # Not csv.writer: with "\n" as the line's end it leaves a lone "\r" in a cell unquoted.
        self._file.stream.write(",".join(map(_quoted, cells)) + "\n")

    def _cell(self, value: Any) -> str:
        if isinstance(value, str):
            return self._guard(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)


def _quoted(text: str) -> str:
    """A cell as RFC 4180 writes it."""
    if _SPECIAL.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


class Row:
    """One line of a CSV file that is read."""

    def __init__(self, where: str, cells: dict[str, str], *, guard: bool = True) -> None:
        self.where = where
        self.cells = cells
        self._bare = unguarded if guard else str

    def text(self, column: str) -> str:
        """A cell that has to be there. Raises DeckwatchError."""
        found = self.text_or_none(column)
        if found is None:
            raise self.error(column, "is empty")
        return found

    def text_or_none(self, column: str) -> str | None:
        """A cell, None where it is empty."""
        return self._bare(self.cells.get(column, "")) or None

    def number(self, column: str) -> float:
        """A number that has to be there. Raises DeckwatchError."""
        found = self.number_or_none(column)
        if found is None:
            raise self.error(column, "is empty")
        return found

    def number_or_none(self, column: str) -> float | None:
        """A finite number, None where the cell is empty. Raises DeckwatchError for others."""
        text = self.cells.get(column, "").strip()
        if not text:
            return None
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self.error(column, f"is {text!r:.60}, not a number")
        return found

    def whole(self, column: str) -> int:
        """A whole number that has to be there. Raises DeckwatchError."""
        found = self.number(column)
        if found != int(found):
            raise self.error(column, f"is {found}, not a whole number")
        return int(found)

    def whole_or_none(self, column: str) -> int | None:
        """A whole number, None where the cell is empty. Raises DeckwatchError."""
        return None if self.number_or_none(column) is None else self.whole(column)

    def error(self, column: str, what: str) -> DeckwatchError:
        """What is wrong with a cell, and where it stands."""
        return DeckwatchError(f"{self.where}: {column} {what}.")


def read_header(path: Path) -> tuple[str, ...]:
    """The columns of a CSV file. Raises UsageError where it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors=NAMES, newline="") as file:
            return tuple(next(csv.reader(file), ()))
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error}). Check the path.") from None


def read_rows(path: Path, required: Iterable[str], *, guard: bool = True) -> Iterator[Row]:
    """The lines of a CSV file; a byte order mark is skipped, `guard` as it was written.

    Raises:
        UsageError: it cannot be read, or lacks a required column.
        DeckwatchError: a line has another number of cells than the header.
    """
    columns = read_header(path)
    missing = [column for column in required if column not in columns]
    if missing:
        raise UsageError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}."
        )
    with path.open(encoding="utf-8-sig", errors=NAMES, newline="") as file:
        lines = csv.reader(file)
        next(lines)
        try:
            for cells in lines:
                where = f"{path}, line {lines.line_num}"
                if not cells:
                    continue
                if len(cells) != len(columns):
                    raise DeckwatchError(
                        f"{where}: {len(cells)} cells, but the header has {len(columns)}."
                    )
                yield Row(where, dict(zip(columns, cells, strict=True)), guard=guard)
        except csv.Error as error:
            raise DeckwatchError(f"{path}, line {lines.line_num}: {error}.") from None
