"""Results from one format into others, record by record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.formats.detect import read_results
from deckwatch_client.formats.table import check_formats, find_format, open_writers
from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Record
from deckwatch_client.run_info import RUN
from deckwatch_serving.output_folder import writing_into
from deckwatch_vision.errors import UsageError


@dataclass(frozen=True)
class Converted:
    """What a conversion did: records, failed ones among them, pictures gone, paths written."""

    records: int
    failed: int
    gone: int
    paths: tuple[Path, ...]


def convert_results(
    source: Path,
    names: Sequence[str],
    out: Path,
    *,
    given: str | None = None,
    options: FormatOptions | None = None,
    force: bool = False,
    track: Callable[[Iterator[Record], str], Iterator[Record]] = lambda records, _: records,
) -> Converted:
    """Write `source` in the named formats under `out`.

    `track` passes the records on and may draw how far they are. With jsonl comes a run.json, so
    that `deckwatch report` reads the folder as it reads a batch's.

    Raises:
        UsageError: something is missing or unknown, or an output stands there already.
        MissingExtra: a package that a format needs is not installed.
        DeckwatchError: the source is broken; the message names the place.
    """
    options = options or FormatOptions()
    formats = [find_format(name) for name in names]
    paths = [out / path for one in formats for path in one.writes]
    if "jsonl" in names:
        paths.append(out / RUN)
    taken = [path for path in paths if path.exists()]
    if taken and not force:
        raise UsageError(
            f"{taken[0]} is there already. Give another --out, or --force to write over it."
        )
    info, records = read_results(source, given, options)
    check_formats(names, info, options)
    pixels = PixelSource(options.pictures)
    count = failed = 0
    with writing_into(out), open_writers(names, info, out, pixels, options) as writers:
        for record in track(records, "convert"):
            writers.write(record)
            count += 1
            failed += record.failure is not None
    pixels.close()
    if "jsonl" in names:
        info.write(out / RUN)
    return Converted(count, failed, pixels.gone, tuple(paths))
