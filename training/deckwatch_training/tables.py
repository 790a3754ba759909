"""Tables for people who read a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they must be; numbers to the right, floats with two decimals."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] == "" for row in rows)
        for i in range(len(head))
    ]

    def line(row: Sequence[str]) -> str:
        shown = (
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(shown).rstrip()

    return "\n".join([line(head), *map(line, cells)])


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
