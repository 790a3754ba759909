"""coco-results.json: detections alone, as COCO's evaluation takes them.

The numbers are those of coco.json: have both written, or read them back with `--images coco.json`.
"""

from __future__ import annotations

from pathlib import Path

from deckwatch_client.formats.coco import category_numbers, xywh
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFile
from deckwatch_client.formats.json_files import Items
from deckwatch_client.records import Record

FILE = "coco-results.json"


class CocoResultsWriter:
    """One array of detections."""

    def __init__(self, job: Job) -> None:
        self._numbers = category_numbers(job.info)
        self._file = WholeFile(job.out / FILE)
        self._found = Items(self._file.stream)
        self._place = 0
        self._file.stream.write("[")

    def write(self, record: Record) -> None:
        """Take one record."""
        self._place += 1
        for fish in record.result.fish if record.result else ():
            self._found.add(
                {
                    "image_id": self._place,
                    "category_id": self._numbers[fish.label],
                    "bbox": xywh(fish),
                    "score": fish.score,
                }
            )

    def close(self) -> None:
        """Finish the file."""
        self._file.stream.write("\n]\n")
        self._file.close()

    def abort(self) -> None:
        """Drop it."""
        self._file.abort()


def open_writer(job: Job) -> CocoResultsWriter:
    """Write DIR/coco-results.json."""
    return CocoResultsWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """See `coco_read`."""
    from deckwatch_client.formats.coco_read import read_results

    return read_results(path, options.images)
