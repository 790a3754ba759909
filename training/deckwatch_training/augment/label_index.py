"""The labels of a picture together, however many pictures there are and wherever its rows stand.

Held in a database of SQLite's own, which is private, moves to the disk when it grows, and is gone
when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from deckwatch_training import catalogue
from deckwatch_training.label_files import LabelRow, read_rows, rows_of
from deckwatch_vision.errors import UsageError

# Pictures fetched at a time.
_PAGE = 256


class LabelIndex:
    """A context manager over the rows of a label file, by picture in the order of its first row."""

    def __init__(self, path: Path):
        """Read a label file (CSV) or a data set (JSON).

        Raises:
            UsageError: it cannot be read, has no rows, or names a picture outside the folder.
        """
        self._database = sqlite3.connect("")
        self._database.executescript(
            "create table pictures (id integer primary key, image text unique);"
            "create table rows (picture int, label text, vessel text, x, y, width, height);"
        )
        try:
            self._fill(path)
        except BaseException:
            self._database.close()
            raise

    def _fill(self, path: Path) -> None:
        add = self._database.execute
        with self._database:
            for number, row in _numbered(path):
                _check_inside(row.image, f"{path}, line {number}" if number else str(path))
                add("insert or ignore into pictures (image) values (?)", (row.image,))
                add(
                    "insert into rows select id, ?, ?, ?, ?, ?, ? from pictures where image = ?",
                    (row.label, row.vessel, *(row.box or (None,) * 4), row.image),
                )
            add("create index by_picture on rows (picture)")
        if not len(self):
            raise UsageError(f"{path} names no picture. Give a file with at least one row.")

    def __len__(self) -> int:
        """Number of pictures."""
        return int(self._database.execute("select count(*) from pictures").fetchone()[0])

    def __contains__(self, image: str) -> bool:
        found = self._database.execute("select 1 from pictures where image = ?", (image,))
        return found.fetchone() is not None

    def pictures(self) -> Iterator[tuple[str, tuple[LabelRow, ...]]]:
        """Every picture with its rows."""
        last = 0
        while page := self._database.execute(
            "select id, image from pictures where id > ? order by id limit ?", (last, _PAGE)
        ).fetchall():
            for picture, image in page:
                yield image, self._rows(picture, image)
            last = page[-1][0]

    def spread(self, number: int) -> list[tuple[str, tuple[LabelRow, ...]]]:
        """`number` pictures spread evenly over the file, or all where there are fewer."""
        count = len(self)
        number = min(number, count)
        chosen = [1 + i * count // number for i in range(number)]
        names = [
            self._database.execute("select image from pictures where id = ?", (i,)).fetchone()[0]
            for i in chosen
        ]
        return [(name, self._rows(i, name)) for i, name in zip(chosen, names, strict=True)]

    def _rows(self, picture: int, image: str) -> tuple[LabelRow, ...]:
        found = self._database.execute(
            "select label, vessel, x, y, width, height from rows where picture = ? order by rowid",
            (picture,),
        )
        return tuple(
            LabelRow(image, label, vessel, None if box[0] is None else tuple(box))
            for label, vessel, *box in found
        )

    def __enter__(self) -> LabelIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _numbered(path: Path) -> Iterator[tuple[int, LabelRow]]:
    if path.suffix == ".json" or path.is_dir():
        rows: Iterable[LabelRow] = (
            row for entry in catalogue.read(path).entries for row in rows_of(entry)
        )
        yield from ((0, row) for row in rows)
    else:
        yield from enumerate(read_rows(path), start=2)


def _check_inside(image: str, where: str) -> None:
    path = PurePosixPath(image)
    if path.is_absolute() or ".." in path.parts or "\\" in image or "\0" in image:
        raise UsageError(
            f"{where}: {image!r} is not inside the input folder. Give names relative to it, with "
            "forward slashes."
        )
