"""results.jsonl: a record a line, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFile
from deckwatch_client.records import Record
from deckwatch_client.run_info import RESULTS, read_run


class JsonlWriter:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = WholeFile(path)

    def write(self, record: Record) -> None:
        """Take one record."""
        self._file.stream.write(f"{json.dumps(record.as_dict())}\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        self._file.abort()


def open_writer(job: Job) -> JsonlWriter:
    """Write DIR/results.jsonl."""
    return JsonlWriter(job.out / RESULTS)


def read(path: Path, options: FormatOptions) -> Source:
    """The records of a file, or of a run's folder."""
    return read_run(path)
