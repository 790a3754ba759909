"""What a command has already made in its output folder, so that the same command goes on.

An SQLite file in that folder, written by the one process that drives the work. It knows the
settings that decide the results: a folder is never filled half with these and half with others. Of
every piece it knows what it was made from (`digest`), its file, and what else the command wants
back.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deckwatch_vision.errors import UsageError

# Seconds of work that a kill -9 may cost; a commit takes milliseconds.
COMMIT_S = 1.0
_SCHEMA = """
create table if not exists settings (name text primary key, value text) without rowid;
create table if not exists pieces (
    name text, number int, digest text, file text, result text, primary key (name, number)
) without rowid;
"""


class Journal:
    """A context manager; one at a time in a folder."""

    def __init__(
        self,
        folder: Path,
        command: str,
        settings: Mapping[str, Any],
        *,
        replace: bool = False,
        others: Iterable[str] = (),
    ):
        """Open the journal of a folder, or begin one in a folder that is empty or missing.

        settings: what decides the results, by the names that the user knows. replace: where the
        folder was filled with other settings, delete what was made and begin anew. others: files
        that may be there besides.

        Raises:
            UsageError: the folder holds files of others, other settings, or is in use.
        """
        self.folder = folder
        self.file = f".{command}.sqlite"
        path = folder / self.file
        if not path.exists():
            _check_empty(folder, {*others, self.file})
            folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        self._due = time.monotonic() + COMMIT_S
        try:
            self._database.execute("pragma locking_mode = exclusive")
            self._database.execute("pragma synchronous = normal")
            # The lock is held until the end: two runs would write the same files.
            self._database.execute("begin exclusive")
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._database.execute(statement)
            self._settle(settings, replace)
        except sqlite3.OperationalError as error:
            self._database.close()
            raise UsageError(
                f"{folder} is in use by another run ({error}). Wait for it, or give another folder."
            ) from None
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise UsageError(
                f"{path} is damaged ({error}). Delete the folder {folder} and run again."
            ) from None
        except BaseException:
            self._database.close()
            raise

    def _settle(self, settings: Mapping[str, Any], replace: bool) -> None:
        held = self.setting("identity")
        wanted = json.loads(json.dumps(dict(settings)))
        if held is not None and held != wanted:
            differing = [
                key for key in held.keys() | wanted.keys() if held.get(key) != wanted.get(key)
            ]
            if not replace:
                told = "; ".join(
                    f"{key} {held.get(key)}, now {wanted.get(key)}" for key in sorted(differing)
                )
                raise UsageError(
                    f"{self.folder} was filled with other settings ({told}). Give another folder, "
                    "the settings of then, or --replace to delete what was made then."
                )
            self.keep(lambda *_: False)
        self.set("identity", wanted)
        self.commit()

    def setting(self, name: str) -> Any:
        """What was kept under a name; None where nothing was."""
        row = self._database.execute(
            "select value from settings where name = ?", (name,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def set(self, name: str, value: Any) -> None:
        """Keep a value that JSON can hold under a name."""
        self._database.execute(
            "insert or replace into settings values (?, ?)", (name, json.dumps(value))
        )

    def made(self, name: str, number: int, digest: str | None = None) -> Any:
        """What was kept of a piece; None where it is not there, or was made from something else.

        A piece whose file somebody deleted is not there.
        """
        row = self._database.execute(
            "select digest, file, result from pieces where name = ? and number = ?", (name, number)
        ).fetchone()
        if row is None or (digest is not None and row[0] != digest):
            return None
        if row[1] and not (self.folder / row[1]).exists():
            return None
        return json.loads(row[2])

    def add(self, name: str, number: int, digest: str, file: str, result: Any) -> None:
        """A piece was made; `file` is relative to the folder, empty where there is none."""
        before = self._database.execute(
            "select file from pieces where name = ? and number = ?", (name, number)
        ).fetchone()
        if before and before[0] and before[0] != file:
            (self.folder / before[0]).unlink(missing_ok=True)
        self._database.execute(
            "insert or replace into pieces values (?, ?, ?, ?, ?)",
            (name, number, digest, file, json.dumps(result)),
        )
        if time.monotonic() >= self._due:
            self.commit()

    def commit(self) -> None:
        """What was added so far survives from here on."""
        if self._database.in_transaction:
            self._database.execute("commit")
        # A folder locked for itself alone stays so between transactions.
        self._database.execute("begin")
        self._due = time.monotonic() + COMMIT_S

    def pieces(self) -> Iterator[tuple[str, int, str]]:
        """Name, number and file of everything made."""
        last = ("", -1)
        while rows := self._database.execute(
            "select name, number, file from pieces where (name, number) > (?, ?) "
            "order by name, number limit 500", last,
        ).fetchall():  # fmt: skip
            yield from rows
            last = rows[-1][:2]

    def numbers(self, name: str) -> list[int]:
        """The pieces of a name."""
        found = self._database.execute("select number from pieces where name = ?", (name,))
        return [row[0] for row in found.fetchall()]

    def forget(self, name: str, number: int) -> None:
        """Delete a piece and its file, if there is one."""
        row = self._database.execute(
            "select file from pieces where name = ? and number = ?", (name, number)
        ).fetchone()
        if row:
            self._drop(name, number, row[0])

    def _drop(self, name: str, number: int, file: str) -> None:
        if file:
            (self.folder / file).unlink(missing_ok=True)
        self._database.execute("delete from pieces where name = ? and number = ?", (name, number))

    def keep(self, wanted: Callable[[str, int], bool]) -> None:
        """Delete every piece whose name and number are not wanted."""
        for name, number, file in self.pieces():
            if not wanted(name, number):
                self._drop(name, number, file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was made, also where something went wrong."""
        self.commit()
        self._database.execute("rollback")
        self._database.close()


def _check_empty(folder: Path, allowed: set[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Give a new folder to write to.")
    found = next((each for each in _entries(folder) if each.name not in allowed), None)
    if found:
        raise UsageError(
            f"{folder} already holds {found.name}, which this command did not make. Give a new or "
            "empty folder; the same command goes on in a folder of its own."
        )


def _entries(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(folder.iterdir())
