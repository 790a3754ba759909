"""yolo/: a text file of boxes for every picture, as the YOLO family reads and writes them.

A line is a class, the box's centre, width and height as shares of the picture, and the score. The
classes are those that a fish can be of, in the release's order from 0; names.txt lists them for
Darknet, data.yaml for Ultralytics. A picture without fish has an empty file, one that failed has
none. pictures.csv says which file is whose, and what the text files do not: sizes and failures.
"""

from __future__ import annotations

import json
from pathlib import Path

from deckwatch_client.formats.answers import fish_species
from deckwatch_client.formats.cells import Table
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.megadetector import relative
from deckwatch_client.formats.places import marked, place, stem
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo

FOLDER, LABELS, INDEX, NAMES, DATA = "yolo", "labels", "pictures.csv", "names.txt", "data.yaml"
COLUMNS = (
    "picture", "labels", "width", "height", "video", "time_s", "frame", "failure",
    "failure_message",
)  # fmt: skip


class YoloWriter:
    """A folder, which appears when it is finished."""

    def __init__(self, job: Job) -> None:
        self._numbers = {one.code: place for place, one in enumerate(fish_species(job.info))}
        self._folder = WholeFolder(job.out / FOLDER)
        part = self._folder.part
        self._labels = part / LABELS
        self._labels.mkdir()
        self._index = Table(part / INDEX, COLUMNS)
        (part / NAMES).write_text("".join(f"{code}\n" for code in self._numbers), encoding="utf-8")
        (part / DATA).write_text(_data(job.info), encoding="utf-8")

    def write(self, record: Record) -> None:
        """One file, unless the picture failed."""
        row: dict[str, object] = {"picture": record.name}
        if record.moment is not None:
            moment = record.moment
            row |= {"video": moment.video, "time_s": moment.time_s, "frame": moment.frame}
        if record.result is None:
            if record.failure is not None:
                row |= {
                    "failure": record.failure.code,
                    "failure_message": record.failure.message,
                }
            self._index.write(row)
            return
        width, height = record.result.image.width, record.result.image.height
        lines = []
        for fish in record.result.fish:
            x, y, w, h = relative(fish.box, width, height)
            numbers = (x + w / 2, y + h / 2, w, h, fish.score)
            shares = " ".join(f"{number:.8f}".rstrip("0").rstrip(".") for number in numbers)
            lines.append(f"{self._numbers[fish.label]} {shares}\n")
        path = f"{stem(place(record.name))}.txt"
        if (self._labels / path).exists():  # a.jpg and a.png
            path = f"{stem(marked(place(record.name), record.name))}.txt"
        target = self._labels / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(lines), encoding="utf-8")
        self._index.write(row | {"labels": f"{LABELS}/{path}", "width": width, "height": height})

    def close(self) -> None:
        """Move the folder into place."""
        self._index.close()
        self._folder.close()

    def abort(self) -> None:
        """Drop it."""
        self._index.abort()
        self._folder.abort()


def open_writer(job: Job) -> YoloWriter:
    """Write DIR/yolo/."""
    return YoloWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """See `yolo_read`."""
    from deckwatch_client.formats.yolo_read import read as read_folder

    return read_folder(path, options)


def _data(info: RunInfo) -> str:
    """data.yaml; JSON strings are YAML strings, whatever signs a code has."""
    names = "".join(
        f"  {place}: {json.dumps(one.code)}\n" for place, one in enumerate(fish_species(info))
    )
    return (
        "# Put or link the pictures under images/, with the folders that labels/ has.\n"
        f"path: .\ntrain: images\nval: images\nnames:\n{names}"
    )
