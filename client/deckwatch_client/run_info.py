"""What a run was made with, and its records read back: `run.json` beside `results.jsonl`.

info, records = read_run(Path("out"))       # the folder that `deckwatch batch` wrote, or
info, records = read_run(Path("out.jsonl")) # any file of `classify --json` lines
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deckwatch_client.formats.files import WholeFile
from deckwatch_client.records import Record
from deckwatch_vision.errors import DeckwatchError, ReleaseCorrupt, ServerError, UsageError
from deckwatch_vision.result import ReleaseInfo
from deckwatch_vision.species import LabelSet, Species, known

RUN, RESULTS = "run.json", "results.jsonl"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The release that answered, its classes in tensor order, and the options that shape results.

    `deckwatch` is the version of the program; `options` holds JSON values by option name.
    """

    release: ReleaseInfo
    species: tuple[Species, ...]
    deckwatch: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def codes(self) -> tuple[str, ...]:
        """The class codes in order."""
        return tuple(one.code for one in self.species)

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of run.json."""
        return {
            "deckwatch": self.deckwatch,
            "release": {"name": self.release.name, "version": self.release.version},
            "labels": LabelSet(self.species).as_list(),
            "options": self.options,
        }

    def write(self, path: Path) -> None:
        """Write run.json, on the disk before its name says so. Raises OSError.

        In ASCII: folders whose names are no text come back as they were.
        """
        file = WholeFile(path)
        try:
            file.stream.write(f"{json.dumps(self.as_dict(), indent=1)}\n")
            file.close()
        except BaseException:
            file.abort()
            raise

    @classmethod
    def from_dict(cls, given: Any) -> RunInfo:
        """Read what `as_dict` wrote.

        Raises:
            UsageError: it is something else.
        """
        try:
            release = given["release"]
            return cls(
                ReleaseInfo(str(release["name"]), int(release["version"])),
                LabelSet.from_list(given["labels"]).species,
                str(given["deckwatch"]),
                dict(given["options"]),
            )
        except (KeyError, TypeError, ValueError, ReleaseCorrupt) as error:
            raise UsageError(
                f"this is no {RUN} of a run ({type(error).__name__}: {error}). "
                "Give the folder that `deckwatch batch --out` wrote."
            ) from None


def read_run(path: Path) -> tuple[RunInfo, Iterator[Record]]:
    """A finished run: what it was made with, and its records in the file's order, read lazily.

    Args:
        path: the folder of `deckwatch batch --out`, or a JSONL file of records or results; without
            a run.json beside it the classes are those of the first result.

    Raises:
        UsageError: there is no such run, or it is not finished.
        DeckwatchError: while reading, a line is no record; the message names file and line.
    """
    lines = path / RESULTS if path.is_dir() else path
    told = lines.with_name(RUN)
    if not lines.is_file():
        again = " Run the same `deckwatch batch` again: it finishes." if told.is_file() else ""
        raise UsageError(f"{lines}: there is no such file.{again}")
    if told.is_file():
        return RunInfo.from_dict(_json(told)), read_records(lines)
    first = next((each.result for each in read_records(lines) if each.result), None)
    if first is None:
        raise UsageError(f"{lines} holds no result, and no {RUN} is beside it: nothing to tell.")
    return RunInfo(first.release, tuple(map(known, first.likelihoods)), ""), read_records(lines)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a JSONL file, one by one. Raises DeckwatchError naming file and line."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = Record.from_dict(json.loads(line))
            except (ValueError, ServerError) as error:
                raise DeckwatchError(f"{path}, line {number}: {error}") from None
            yield record


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from None
