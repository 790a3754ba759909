"""camtrap-dp/: a Camera Trap Data Package, version 1.0.2 (https://camtrap-dp.tdwg.org).

A deployment is a camera of a vessel; a video is one medium, and its frames are observations with
their time. A fish is an observation, a picture or frame without one is `blank`, one that failed is
`unclassified` with the reason as its comment. What has no column of its own stands in
`observationTags` as `key:value`: label, score, size, track, frame, label of the picture.

Times need a zone there. One that has none is taken for UTC, a picture of which no time is known
gets 1970-01-01T00:00:00Z, and the deployment says `timestampIssues`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deckwatch_client.formats.answers import release_text
from deckwatch_client.formats.camtrap_package import DEPLOYMENTS, MEDIA, OBSERVATIONS, Deployments
from deckwatch_client.formats.cells import Table
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.megadetector import is_video_name, relative
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video import is_stream
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH

FOLDER = "camtrap-dp"
UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
# What the schema takes for a path within the package: no leading dot, slash or tilde, no "..".
_PATH = re.compile(r"(?![./~])(?:(?!\.\.).)*")
# The narrowest box the schema takes.
_NARROWEST = 1e-15


class CamtrapWriter:
    """A folder, which appears when it is finished."""

    def __init__(self, job: Job) -> None:
        self._info = job.info
        self._names = {one.code: one.scientific_name for one in job.info.species}
        self._folder = WholeFolder(job.out / FOLDER)
        part = self._folder.part
        # Programs read these, and paths have to be exact: no apostrophes against formulas.
        self._media = Table(part / "media.csv", MEDIA, errors="backslashreplace", guard=False)
        self._observations = Table(
            part / "observations.csv", OBSERVATIONS, errors="backslashreplace", guard=False
        )
        self._deployments = Deployments(job.info, job.options)
        self._videos: set[str] = set()
        self._count = 0

    def write(self, record: Record) -> None:
        """A medium, and its observations."""
        taken, sure = _time(record)
        self._deployments.add(record.origin, taken if taken != UNKNOWN_TIME else None, sure)
        medium = record.moment.video if record.moment else record.name
        if medium not in self._videos:
            self._write_medium(medium, record, taken)
            if record.moment is not None:
                self._videos.add(medium)
        base = {
            "deploymentID": self._deployments.name(record.origin),
            "mediaID": medium,
            "eventID": record.name,
            "eventStart": stamp(taken),
            "eventEnd": stamp(taken),
            "observationLevel": "media",
        }
        for row in self._rows(record):
            self._count += 1
            self._observations.write({"observationID": str(self._count)} | base | row)

    def close(self) -> None:
        """Write the deployments and the package's description, and move the folder into place."""
        self._media.close()
        self._observations.close()
        table = Table(
            self._folder.part / "deployments.csv",
            DEPLOYMENTS, errors="backslashreplace", guard=False,
        )  # fmt: skip
        for row in self._deployments.rows():
            table.write(row)
        table.close()
        self._deployments.describe(self._folder.part / "datapackage.json")
        self._folder.close()

    def abort(self) -> None:
        """Drop it."""
        self._media.abort()
        self._observations.abort()
        self._folder.abort()

    def _write_medium(self, medium: str, record: Record, taken: datetime) -> None:
        moment = record.moment
        if moment is not None and taken != UNKNOWN_TIME and not is_stream(moment.video):
            taken -= timedelta(seconds=int(moment.time_s))  # when the video began
        why = record.failure if record.moment is None else None
        self._media.write(
            {
                "mediaID": medium,
                "deploymentID": self._deployments.name(record.origin),
                "captureMethod": "timeLapse",
                "timestamp": stamp(taken),
                "filePath": file_path(medium),
                "filePublic": False,
                "fileName": re.split(r"[/\\]", medium)[-1] or medium,
                "fileMediatype": _mediatype(medium, record.moment is not None),
                "mediaComments": f"{why.code}: {why.message}" if why else None,
            }
        )

    def _rows(self, record: Record) -> Iterator[dict[str, Any]]:
        """What differs between the observations of one record."""
        frame = []
        if record.moment is not None:
            frame = [("frame", record.moment.frame), ("time_s", record.moment.time_s)]
        if record.result is None:
            why = record.failure
            yield {
                "observationType": "unclassified",
                "observationComments": f"{why.code}: {why.message}" if why else None,
                "observationTags": tags(frame),
            }
            return
        result = record.result
        size = [
            ("picture", result.label),
            ("width", result.image.width),
            ("height", result.image.height),
        ]
        machine = {
            "classificationMethod": "machine",
            "classifiedBy": release_text(result.release),
        }
        if not result.fish:
            yield machine | {
                "observationType": "blank",
                "classificationProbability": result.likelihoods.get(NO_FISH),
                "observationTags": tags([*size, *frame]),
            }
        tracks = record.tracks or (None,) * len(result.fish)
        for fish, track in zip(result.fish, tracks, strict=True):
            told = [("label", fish.label), ("score", fish.score), ("track", track), *size, *frame]
            yield machine | self._fish(fish, result) | {"observationTags": tags(told)}

    def _fish(self, fish: Fish, result: Result) -> dict[str, Any]:
        x, y, width, height = relative(fish.box, result.image.width, result.image.height)
        return {
            "observationType": "animal",
            "scientificName": self._names.get(fish.label),
            "count": 1,
            "bboxX": x,
            "bboxY": y,
            "bboxWidth": max(width, _NARROWEST),
            "bboxHeight": max(height, _NARROWEST),
            "classificationProbability": fish.likelihoods.get(fish.label),
        }


def check(info: RunInfo, options: FormatOptions) -> None:
    """The format wants to know where the cameras were. Raises UsageError."""
    if options.latitude is None or options.longitude is None:
        raise UsageError(
            "A Camtrap DP says where the cameras were: give --latitude and --longitude in degrees "
            "(WGS 84), for instance those of the port or the middle of the fishing ground."
        )
    if not (-90 <= options.latitude <= 90 and -180 <= options.longitude <= 180):
        raise UsageError(
            f"--latitude {options.latitude} and --longitude {options.longitude}: give -90 to 90 "
            "and -180 to 180 degrees."
        )
    if options.created is not None:
        moment_of(options.created)


def open_writer(job: Job) -> CamtrapWriter:
    """Write DIR/camtrap-dp/."""
    return CamtrapWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """See `camtrap_read`."""
    from deckwatch_client.formats.camtrap_read import read as read_folder

    return read_folder(path, options)


def stamp(taken: datetime) -> str:
    """A time as the schema wants it: to the second, with its zone."""
    text = taken.replace(microsecond=0).isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def moment_of(text: str) -> datetime:
    """An ISO 8601 time with a zone, UTC where it has none. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time. Give one like 2026-05-05T07:30:00Z (ISO 8601)."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def file_path(name: str) -> str:
    """The name where the schema takes it as a path, else as a file URL.

    >>> file_path("trip/a b.jpg"), file_path("/mnt/a b.jpg"), file_path("../a.jpg")
    ('trip/a b.jpg', 'file:///mnt/a%20b.jpg', 'file:%2E%2E/a.jpg')
    """
    if _PATH.fullmatch(name):
        return name
    quoted = quote(name.encode("utf-8", "surrogateescape")).replace("..", "%2E%2E")
    return f"file://{quoted}" if name.startswith("/") else f"file:{quoted}"


def tags(told: list[tuple[str, Any]]) -> str | None:
    """Tags in the form `key:value | key:value`; None is left out."""
    return " | ".join(f"{key}:{value}" for key, value in told if value is not None) or None


def _time(record: Record) -> tuple[datetime, bool]:
    """When a record's picture was taken, and whether that can be relied upon."""
    found = record.origin.time
    if found is None:
        return UNKNOWN_TIME, False
    return (found, True) if found.tzinfo else (found.replace(tzinfo=UTC), False)


def _mediatype(name: str, video: bool) -> str:
    """The media type by the name's suffix."""
    kind = "video" if video or is_video_name(name) else "image"
    found = mimetypes.guess_type(name, strict=False)[0] or ""
    return found if found.startswith(f"{kind}/") else {"image": "image/jpeg"}.get(kind, "video/mp4")
