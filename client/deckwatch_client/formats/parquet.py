"""results.parquet: a row for every picture with its fish as a list, nothing lost.

import pandas; pandas.read_parquet("results.parquet")
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFile
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError, MissingExtra, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "results.parquet"
_META = b"deckwatch"
# Rows in memory at once: a few megabytes.
_ROWS = 5000


class ParquetWriter:
    """Groups of rows, as they fill."""

    def __init__(self, job: Job) -> None:
        self._schema = _schema(job.info)
        self._file = WholeFile(job.out / FILE, binary=True)
        self._parquet = _parquet().ParquetWriter(
            self._file.stream, self._schema, compression="zstd"
        )
        self._rows: list[dict[str, Any]] = []

    def write(self, record: Record) -> None:
        """Take one record."""
        self._rows.append(_row(record.as_dict()))
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._parquet.close()
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        with suppress(OSError):  # its footer may not fit on a full disk either
            self._parquet.close()
        self._file.abort()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._parquet.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()


def check(info: RunInfo, options: FormatOptions) -> None:
    """Raises MissingExtra without pyarrow."""
    _need_pyarrow()


def _parquet() -> Any:
    """PyArrow's module for Parquet files, which has no types."""
    import pyarrow.parquet

    return pyarrow.parquet


def _need_pyarrow() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra(
            "The format parquet needs pyarrow, which is not installed. Install it with: "
            "pip install 'deckwatch[parquet]'"
        )


def open_writer(job: Job) -> ParquetWriter:
    """Write DIR/results.parquet."""
    return ParquetWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """The records of a file that the writer wrote.

    Raises:
        UsageError: it is another file.
        MissingExtra: pyarrow is not installed.
    """
    _need_pyarrow()
    import pyarrow as pa

    try:
        meta = _parquet().read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path} cannot be read as Parquet ({error}).") from None
    if _META not in meta:
        raise UsageError(f"{path} is a Parquet file, but none that Deckwatch wrote.")
    return RunInfo.from_dict(json.loads(meta[_META])), _records(path)


def _records(path: Path) -> Iterator[Record]:
    with _parquet().ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            for row in batch.to_pylist():
                try:
                    yield Record.from_dict(_given(row))
                except DeckwatchError as error:
                    raise DeckwatchError(f"{path}, {row.get('file')!r:.80}: {error}") from None


def _schema(info: RunInfo) -> pa.Schema:
    import pyarrow as pa

    likelihoods = pa.struct([(code, pa.float64()) for code in info.codes])
    fish = pa.struct(
        [
            ("box", pa.list_(pa.float64())),
            ("score", pa.float64()),
            ("label", pa.string()),
            ("likelihoods", likelihoods),
            ("track", pa.int64()),
        ]
    )
    schema = pa.schema(
        [
            ("file", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("sha256", pa.string()),
            ("label", pa.string()),
            ("likelihoods", likelihoods),
            ("fish", pa.list_(fish)),
            ("static", pa.list_(fish)),
            ("unchanged", pa.list_(pa.float64())),
            ("camera", pa.string()),
            ("vessel", pa.string()),
            ("captured_at", pa.string()),
            (
                "moment",
                pa.struct(
                    [("video", pa.string()), ("time_s", pa.float64()), ("frame", pa.int64())]
                ),
            ),
            ("looks", pa.string()),
            ("release", pa.struct([("name", pa.string()), ("version", pa.int64())])),
            ("failure", pa.struct([("code", pa.string()), ("message", pa.string())])),
        ]
    )
    return schema.with_metadata({_META: json.dumps(info.as_dict()).encode()})


def _row(line: dict[str, Any]) -> dict[str, Any]:
    """A record's JSON as a row: the image's facts are columns."""
    image = line.pop("image")
    row = line | {key: image.get(key) for key in ("file", "width", "height", "sha256")}
    # Arrow's texts are UTF-8, which a file name need not be.
    row["file"] = _utf8(row["file"])
    if "moment" in row:
        row["moment"] = row["moment"] | {"video": _utf8(row["moment"]["video"])}
    # Unknown likelihoods are null, so that no class looks as if it were told.
    for holder in (row, *row.get("fish", ()), *row.get("static", ())):
        holder["likelihoods"] = holder.get("likelihoods") or None
    return row


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _given(row: dict[str, Any]) -> dict[str, Any]:
    """The record's JSON that a row was made of."""
    line = {key: value for key, value in row.items() if value is not None}
    keys = ("file", "width", "height", "sha256")
    line["image"] = {key: line.pop(key) for key in keys if key in line}
    if "failure" not in line:
        for holder in (line, *line.get("fish", ()), *line.get("static", ())):
            holder["likelihoods"] = {
                code: value for code, value in (holder.get("likelihoods") or {}).items()
                if value is not None
            }  # fmt: skip
    return line
