"""fish.csv with a row for every fish, pictures.csv with a row for every picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deckwatch_client.formats.cells import Row, Table, read_header, read_rows
from deckwatch_client.formats.contract import FormatOptions, Job, Source
from deckwatch_client.formats.grouped import Groups
from deckwatch_client.records import Failure, Moment, Origin, Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from deckwatch_vision.species import known

FISH, PICTURES = "fish.csv", "pictures.csv"
LIKELIHOOD = "likelihood_"
_WHEN = ("camera", "vessel", "captured_at", "video", "time_s", "frame")
_BOX = ("x1", "y1", "x2", "y2")


class CsvWriter:
    """Both tables at once."""

    def __init__(self, job: Job) -> None:
        self._names = {one.code: one.common_name for one in job.info.species}
        likelihoods = [LIKELIHOOD + code for code in job.info.codes]
        self._pictures = Table(
            job.out / PICTURES,
            ("picture", "label", "common_name", *likelihoods, "fish", *_WHEN, "looks", "width",
             "height", "sha256", "release", "release_version", "failure", "failure_message"),
        )  # fmt: skip
        self._fish = Table(
            job.out / FISH,
            ("picture", "fish", *_BOX, "score", "label", "common_name", *likelihoods, "track",
             "unchanged", *_WHEN),
        )  # fmt: skip

    def write(self, record: Record) -> None:
        """One row of pictures, and one for each fish."""
        start = {"picture": record.name} | _when(record)
        if record.result is None:
            why = record.failure
            told = {"failure": why.code, "failure_message": why.message} if why else {}
            self._pictures.write(start | told)
            return
        result = record.result
        self._pictures.write(
            start
            | self._class(result.label, result.likelihoods)
            | {
                "fish": len(result.fish),
                "looks": record.looks,
                "width": result.image.width,
                "height": result.image.height,
                "sha256": result.image.sha256,
                "release": result.release.name,
                "release_version": result.release.version,
            }
        )
        for place, fish in enumerate(result.fish):
            row: dict[str, Any] = dict(zip(_BOX, fish.box, strict=True))
            row |= {"fish": place + 1, "score": fish.score}
            if record.tracks:
                row["track"] = record.tracks[place]
            if record.unchanged:
                row["unchanged"] = record.unchanged[place]
            self._fish.write(start | row | self._class(fish.label, fish.likelihoods))

    def close(self) -> None:
        """Finish both files."""
        self._fish.close()
        self._pictures.close()

    def abort(self) -> None:
        """Drop both."""
        self._fish.abort()
        self._pictures.abort()

    def _class(self, label: str, likelihoods: dict[str, float]) -> dict[str, Any]:
        row: dict[str, Any] = {"label": label, "common_name": self._names.get(label, label)}
        return row | {LIKELIHOOD + code: value for code, value in likelihoods.items()}


def open_writer(job: Job) -> CsvWriter:
    """Write DIR/fish.csv and DIR/pictures.csv."""
    return CsvWriter(job)


def read(path: Path, options: FormatOptions) -> Source:
    """Both tables joined again; `path` is their folder, or one of them."""
    folder = path if path.is_dir() else path.parent
    pictures, fish = folder / PICTURES, folder / FISH
    for file in (pictures, fish):
        if not file.is_file():
            raise UsageError(f"{file}: there is no such file. Both tables are needed.")
    codes = tuple(
        column.removeprefix(LIKELIHOOD)
        for column in read_header(pictures)
        if column.startswith(LIKELIHOOD)
    )
    rows = read_rows(pictures, ("picture", "label", "width", "height"))
    first = next((row for row in rows if row.text_or_none("label")), None)
    release = _release(first) if first else ReleaseInfo("unknown", 0)
    return RunInfo(release, tuple(map(known, codes)), ""), _records(pictures, fish, codes)


def _records(pictures: Path, fish: Path, codes: tuple[str, ...]) -> Iterator[Record]:
    groups = Groups()
    try:
        for row in read_rows(fish, ("picture", *_BOX, "score", "label")):
            groups.add(row.text("picture"), [row.where, row.cells])
        for row in read_rows(pictures, ("picture", "label", "width", "height")):
            yield _record(row, [Row(*each) for each in groups.take(row.text("picture"))], codes)
    finally:
        groups.close()


def _record(row: Row, fish: list[Row], codes: tuple[str, ...]) -> Record:
    name, code = row.text("picture"), row.text_or_none("failure")
    origin = Origin(*(row.text_or_none(column) for column in ("camera", "vessel", "captured_at")))
    video = row.text_or_none("video")
    moment = Moment(video, row.number("time_s"), row.whole("frame")) if video else None
    if code is not None:
        failure = Failure(code, row.text_or_none("failure_message") or "")
        return Record(name, failure=failure, origin=origin, moment=moment)
    count = row.whole_or_none("fish")
    if count is not None and count != len(fish):
        raise row.error("fish", f"is {count}, but {FISH} has {len(fish)} rows of this picture")
    result = Result(
        row.text("label"),
        _likelihoods(row, codes),
        tuple(_one_fish(each, codes) for each in fish),
        ImageInfo(name, row.whole("width"), row.whole("height"), row.text_or_none("sha256")),
        _release(row),
    )
    tracks = tuple(each.whole_or_none("track") for each in fish)
    unchanged = tuple(each.number_or_none("unchanged") for each in fish)
    return Record(
        name,
        result,
        origin=origin,
        moment=moment,
        looks=row.text_or_none("looks"),
        tracks=tracks if any(track is not None for track in tracks) else (),
        unchanged=tuple(share for share in unchanged if share is not None),
    )


def _one_fish(row: Row, codes: tuple[str, ...]) -> Fish:
    x1, y1, x2, y2 = (row.number(edge) for edge in _BOX)
    likelihoods = _likelihoods(row, codes)
    return Fish((x1, y1, x2, y2), row.number("score"), row.text("label"), likelihoods)


def _likelihoods(row: Row, codes: tuple[str, ...]) -> dict[str, float]:
    """By code; empty where all cells are, as the classes were not told."""
    found = {code: row.number_or_none(LIKELIHOOD + code) for code in codes}
    if all(value is None for value in found.values()):
        return {}
    return {code: row.number(LIKELIHOOD + code) for code in codes}


def _release(row: Row) -> ReleaseInfo:
    name = row.text_or_none("release") or "unknown"
    return ReleaseInfo(name, row.whole_or_none("release_version") or 0)


def _when(record: Record) -> dict[str, Any]:
    origin, moment = record.origin, record.moment
    found = {"camera": origin.camera, "vessel": origin.vessel, "captured_at": origin.captured_at}
    if moment is None:
        return found
    return found | {"video": moment.video, "time_s": moment.time_s, "frame": moment.frame}
