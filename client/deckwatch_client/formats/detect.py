"""Which format a file or folder is in, by its name and its first lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from deckwatch_client.formats.cells import read_header
from deckwatch_client.formats.contract import FormatOptions, Source
from deckwatch_client.formats.json_files import walk
from deckwatch_client.formats.table import FORMATS, find_format
from deckwatch_client.run_info import RESULTS, RUN, RunInfo
from deckwatch_vision.errors import DeckwatchError, UsageError

# What says so, if it lies in a folder.
_IN_FOLDER = {
    RESULTS: "jsonl",
    "datapackage.json": "camtrap-dp",
    "data.yaml": "yolo",
    "labels": "yolo",
    "fish.csv": "csv",
    "results.parquet": "parquet",
    "megadetector.json": "megadetector",
    "coco.json": "coco",
    "submission.csv": "submission",
    "yolo": "yolo",
    "camtrap-dp": "camtrap-dp",
    # A run that is not finished: its reader says how to finish it.
    RUN: "jsonl",
}
_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# Enough to see the keys at the start of a JSON file, were every array as long as it likes.
_PARTS = 20_000


def read_results(path: Path, name: str | None, options: FormatOptions) -> Source:
    """A run in any format that can be read.

    A run.json beside it that names the same classes says what the format does not.

    Args:
        path: a file, or a folder that holds one.
        name: the format; None finds it out.
        options: what some formats ask for besides.

    Raises:
        UsageError: there is no such file, the format cannot be told, or cannot be read.
        MissingExtra: a package that it needs is not installed.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder. Check the path.")
    found = find_format(name or detect(path))
    if not found.reads:
        readable = ", ".join(one.name for one in FORMATS.values() if one.reads)
        raise UsageError(f"{found.name} is only written. Read one of: {readable}.")
    if (inside := path / found.writes[0]).exists():
        path = inside
    info, records = found.read(path, options)
    return _told(path, info), records


def detect(path: Path) -> str:
    """The name of the format. Raises UsageError where it cannot be told."""
    if path.is_dir():
        for inside, name in _IN_FOLDER.items():
            if (path / inside).exists():
                return name
        raise _unknown(path)
    if path.name == "datapackage.json":
        return "camtrap-dp"
    if path.name in ("data.yaml", "names.txt"):
        return "yolo"
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix == ".csv":
        columns = read_header(path)
        if "picture" in columns:
            return "csv"
        if columns[:1] == ("image",):
            return "submission"
    if suffix == ".json":
        return _of_json(path)
    raise _unknown(path)


def _of_json(path: Path) -> str:
    try:
        for part in islice(walk(path), _PARTS):
            if part.key == "":
                return "coco-results"
            if part.key in ("detection_categories", "classification_categories"):
                return "megadetector"
            if part.key in ("categories", "annotations", "licenses"):
                return "coco"
            if part.key == "images" and isinstance(part.value, dict):
                return "coco" if "file_name" in part.value else "megadetector"
            if part.key == "label":  # one result, as `classify --json` prints it
                return "jsonl"
    except UsageError:
        raise
    except DeckwatchError:
        # Several objects, a line each, are no JSON file.
        first = next(_lines(path), "")
        if first.rstrip().endswith("}"):
            return "jsonl"
        raise
    raise _unknown(path)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _told(path: Path, info: RunInfo) -> RunInfo:
    """The run as its run.json describes it, where that names the same classes."""
    beside = (path if path.is_dir() else path.parent) / RUN
    if info.deckwatch or not beside.is_file():
        return info
    import json

    try:
        told = RunInfo.from_dict(json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, UsageError):
        return info
    return told if set(told.codes) >= set(info.codes) else info


def _unknown(path: Path) -> UsageError:
    readable = ", ".join(one.name for one in FORMATS.values() if one.reads)
    return UsageError(f"{path}: its format cannot be told. Give --from with one of: {readable}.")
