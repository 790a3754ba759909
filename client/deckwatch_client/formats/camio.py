"""camio/CAMERA.json: the labels of each camera's pictures, as Camio's callbacks take them.

curl -H "Content-Type: application/json" -d @camio/deck-2.json "$CALLBACK_URL"

The body is keyed by the time of the picture, written as it came. Pictures without a time, and those
that failed, cannot be labelled; how many they are is told at the end. Names of files are those of
the cameras, percent-encoded; pictures of no known camera are in `no%20camera.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from deckwatch_client.camio_labels import LabelRules, image_labels, merged
from deckwatch_client.formats.contract import Job
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.grouped import Groups
from deckwatch_client.logs import speaker
from deckwatch_client.records import Record

FOLDER, NO_CAMERA = "camio", "no camera"


class CamioWriter:
    """Labels wait on disk by camera and time, as pictures of one time share an entry."""

    def __init__(self, job: Job) -> None:
        self._species = job.info.species
        self._rules = LabelRules({}, job.options.threshold, job.options.polygons)
        self._folder = WholeFolder(job.out / FOLDER)
        self._labels = Groups()
        self._left_out = 0

    def write(self, record: Record) -> None:
        """Take one record."""
        taken = record.origin.captured_at
        if record.result is None or taken is None:
            self._left_out += 1
            return
        labels = image_labels(record.result, self._rules, self._species)
        camera = record.origin.camera or NO_CAMERA
        self._labels.add(json.dumps([camera, taken]), labels)

    def close(self) -> None:
        """Write a body for each camera, and move the folder into place."""
        begun: set[str] = set()
        for key, found in self._labels.walk():
            camera, taken = json.loads(key)
            # One file is open at a time, however many cameras there are.
            with self._file(camera).open("a", encoding="utf-8") as file:
                file.write(",\n" if camera in begun else '{"status": "success", "labels": {\n')
                file.write(f"{json.dumps(taken)}: {json.dumps(merged(found))}")
            begun.add(camera)
        for camera in begun:
            with self._file(camera).open("a", encoding="utf-8") as file:
                file.write("\n}}\n")
        self._labels.close()
        self._folder.close()
        if self._left_out:
            speaker().warning(
                "camio labels left out",
                f"camio: {self._left_out:,} pictures failed or have no time, and so no labels.",
                pictures=self._left_out,
            )

    def abort(self) -> None:
        """Drop it."""
        self._labels.close()
        self._folder.abort()

    def _file(self, camera: str) -> Path:
        return (
            self._folder.part / f"{quote(camera.encode('utf-8', 'surrogateescape'), safe='')}.json"
        )


def open_writer(job: Job) -> CamioWriter:
    """Write DIR/camio/."""
    return CamioWriter(job)
