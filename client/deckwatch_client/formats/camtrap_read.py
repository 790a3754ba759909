"""Camera Trap Data Packages read back, ours and other programs' (1.0 and its patch releases).

Observations of media alone are read: those of events belong to no picture. Of another program's
package the species is found by its scientific name, or is that name; an animal without one is a
fish of another kind; a person or a vehicle is no fish.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deckwatch_client.formats.answers import (
    OTHER,
    UNKNOWN,
    code_of,
    picture_size,
    release_of,
    result_of,
    run_info,
)
from deckwatch_client.formats.camtrap import UNKNOWN_TIME, stamp
from deckwatch_client.formats.camtrap_package import VESSEL
from deckwatch_client.formats.cells import Row, read_rows
from deckwatch_client.formats.contract import FormatOptions, Source
from deckwatch_client.formats.fields import Object
from deckwatch_client.formats.grouped import Groups
from deckwatch_client.records import Failure, Moment, Origin, Record, frame_name
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish, ReleaseInfo

PACKAGE = "datapackage.json"
_NOWHEN = stamp(UNKNOWN_TIME)


@dataclass(frozen=True)
class _Package:
    """Where its files lie, what it was made with, its cameras, and where pictures lie."""

    folder: Path
    ours: bool
    info: RunInfo
    cameras: dict[str, Origin]
    pictures: Path


def read(path: Path, options: FormatOptions) -> Source:
    """The media of a package with their observations; `path` is its folder or datapackage.json."""
    folder = path if path.is_dir() else path.parent
    try:
        given = json.loads((folder / PACKAGE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / PACKAGE} cannot be read ({error}).") from None
    package = Object(str(folder / PACKAGE), given)
    ours = "deckwatch" in package.value
    if ours:
        info = RunInfo.from_dict(package.value["deckwatch"])
    else:
        taxa = (one.text("scientificName") for one in package.objects("taxonomic"))
        info = run_info(UNKNOWN, [OTHER, *filter(None, map(code_of, taxa))])
    found = _Package(folder, ours, info, _cameras(folder), options.pictures or folder)
    return info, _records(found)


def _cameras(folder: Path) -> dict[str, Origin]:
    """Cameras and vessels by deployment."""
    found = {}
    for row in read_rows(folder / "deployments.csv", ("deploymentID",), guard=False):
        groups = row.text_or_none("deploymentGroups") or ""
        vessel = groups.removeprefix(VESSEL) if groups.startswith(VESSEL) else None
        found[row.text("deploymentID")] = Origin(row.text_or_none("cameraID"), vessel)
    return found


def _records(package: _Package) -> Iterator[Record]:
    groups = Groups()
    try:
        needed = ("mediaID", "observationLevel", "observationType", "eventStart")
        for row in read_rows(package.folder / "observations.csv", needed, guard=False):
            if row.text("observationLevel") == "media":
                groups.add(row.text("mediaID"), [row.where, row.cells])
        needed = ("mediaID", "deploymentID", "timestamp", "filePath")
        for row in read_rows(package.folder / "media.csv", needed, guard=False):
            found = groups.take(row.text("mediaID"))
            yield from _medium(row, [Row(*each, guard=False) for each in found], package)
    finally:
        groups.close()


def _medium(medium: Row, rows: list[Row], package: _Package) -> Iterator[Record]:
    """A picture, or the frames of a video."""
    frames: dict[str, list[Row]] = {}
    for row in rows:
        frames.setdefault(_tags(row).get("frame", ""), []).append(row)
    for seen in frames.values():
        yield _record(medium, seen, package)


def _record(medium: Row, rows: list[Row], package: _Package) -> Record:
    told = _tags(rows[0])
    # Ours are named by their ID; another program's by their path.
    name = medium.text("mediaID" if package.ours else "filePath")
    moment = None
    if "frame" in told:
        moment = Moment(name, float(told["time_s"]), int(told["frame"]))
        name = frame_name(name, moment.time_s)
    camera = package.cameras.get(medium.text("deploymentID"), Origin())
    taken = rows[0].text("eventStart") if moment else medium.text("timestamp")
    origin = Origin(camera.camera, camera.vessel, None if taken == _NOWHEN else taken)
    if _failed(rows[0]):
        code, _, message = (rows[0].text_or_none("observationComments") or "").partition(": ")
        failure = Failure(code or "image-error", message)
        return Record(name, failure=failure, origin=origin, moment=moment)
    return _answer(name, rows, origin, moment, package)


def _answer(
    name: str, rows: list[Row], origin: Origin, moment: Moment | None, package: _Package
) -> Record:
    told = _tags(rows[0])
    size = (
        (int(told["width"]), int(told["height"]))
        if "width" in told
        else picture_size(name, package.pictures)
    )
    fish, tracks = [], []
    for row in rows:
        if row.text("observationType") == "animal":
            fish.append(_fish(row, size))
            track = _tags(row).get("track")
            tracks.append(int(track) if track else None)
    result = result_of(name, size, fish, _release(rows[0], package), told.get("picture"))
    return Record(
        name,
        result,
        origin=origin,
        moment=moment,
        tracks=tuple(tracks) if any(track is not None for track in tracks) else (),
    )


def _fish(row: Row, size: tuple[int, int]) -> Fish:
    told = _tags(row)
    x, y, width, height = (
        row.number_or_none(f"bbox{side}") for side in ("X", "Y", "Width", "Height")
    )
    if x is None or y is None or width is None or height is None:
        x, y, width, height = 0.0, 0.0, 1.0, 1.0  # somewhere in the picture
    edges = (x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1])
    x1, y1, x2, y2 = (round(edge, 2) for edge in edges)
    species = row.text_or_none("scientificName")
    label = told.get("label") or (code_of(species) if species else None) or OTHER
    sure = row.number_or_none("classificationProbability")
    score = float(told["score"]) if "score" in told else 1.0 if sure is None else sure
    return Fish((x1, y1, x2, y2), score, label, {})


def _release(row: Row, package: _Package) -> ReleaseInfo:
    told = row.text_or_none("classifiedBy")
    return release_of(told) if told else package.info.release


def _failed(row: Row) -> bool:
    return row.text("observationType") == "unclassified"


def _tags(row: Row) -> dict[str, Any]:
    """The tags of the form key:value."""
    text = row.text_or_none("observationTags") or ""
    pairs = (tag.strip().partition(":") for tag in text.split("|"))
    return {key: value for key, colon, value in pairs if colon}
