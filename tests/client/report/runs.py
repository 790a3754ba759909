"""Finished runs written by hand: pictures with squares for fish, records, run.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from deckwatch_client.records import Failure, Moment, Origin, Record, frame_name
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import BrokenImage, EmptyImage
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from deckwatch_vision.species import DEMO, Species

RELEASE = ReleaseInfo("tiny", 1)
INFO = RunInfo(RELEASE, tuple(DEMO), "9.8.7", {"recurse": True, "camera_from": None})
HEIGHT, WIDTH = 120, 160


def fish(
    likelihoods: Mapping[str, float] | str,
    box: Sequence[float] = (10, 10, 60, 40),
    score: float = 0.9,
) -> Fish:
    """A fish with these likelihoods; the rest is of no fish. A code alone stands for 0.9."""
    given = {likelihoods: 0.9} if isinstance(likelihoods, str) else dict(likelihoods)
    row = dict.fromkeys(DEMO.codes, 0.0) | given
    row["NoF"] = 1 - sum(given.values())
    label = max(given, key=lambda code: given[code])
    x1, y1, x2, y2 = box
    return Fish((x1, y1, x2, y2), score, label, row)


def record(
    name: str,
    *found: Fish,
    camera: str | None = "deck-1",
    at: str | None = "2026-05-05T07:30:00",
    likelihoods: Mapping[str, float] | None = None,
    **others: object,
) -> Record:
    """A picture with these fish."""
    label = found[0].label if found else "NoF"
    row = dict.fromkeys(DEMO.codes, 0.0) | dict(likelihoods or {label: 1.0})
    best = max(row, key=lambda code: row[code])
    result = Result(best, row, found, ImageInfo(name, WIDTH, HEIGHT, None), RELEASE)
    return Record(name, result, origin=Origin(camera, None, at), **others)  # type: ignore[arg-type]


def frame(
    video: str, time_s: float, *found: Fish, tracks: Sequence[int | None] = (), **given: object
) -> Record:
    """A frame of a video."""
    moment = Moment(video, time_s, round(time_s * 25))
    return record(
        frame_name(video, time_s),
        *found,
        moment=moment,
        tracks=tuple(tracks),
        **given,  # type: ignore[arg-type]
    )


def failure(name: str, error: BrokenImage | EmptyImage) -> Record:
    """A picture that failed."""
    return Record(name, failure=Failure.of(error))


def write_run(folder: Path, records: Iterable[Record], info: RunInfo | None = INFO) -> Path:
    """Write what `deckwatch batch` leaves; without `info` the results alone."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(each.as_dict()) + "\n" for each in records)
    (folder / "results.jsonl").write_text(lines)
    if info is not None:
        (folder / "run.json").write_text(json.dumps(info.as_dict()))
    return folder


def write_picture(path: Path, *found: Fish, colour: Sequence[int] = (200, 30, 30)) -> str:
    """A grey picture with a coloured box for every fish; returns the SHA-256 of the file."""
    pixels = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    for one in found:
        x1, y1, x2, y2 = (round(edge) for edge in one.box)
        pixels[y1:y2, x1:x2] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    data = encode_jpeg(pixels)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def many_species(number: int) -> tuple[Species, ...]:
    """NoF and so many sensitive species."""
    return (
        DEMO[0],
        *(Species(f"S{n}", f"shark {n}", None, None, None, sensitive=True) for n in range(number)),
    )


def season(folder: Path) -> Path:
    """A run of everything: three cameras over two days, a video, doubt, failures, background.

    The pictures lie in `folder`/trip, the run in `folder`/out; names start at `folder`.
    """
    records = []
    kinds: list[tuple[Fish, ...]] = [
        (fish("OTHER"),),
        (fish("SHARK"), fish({"OTHER": 0.7, "RAY": 0.2}, (80, 60, 140, 110))),
        (),
        (fish("RAY", (30, 20, 120, 100)),),
    ]
    for place in range(24):
        camera, found = f"deck-{place % 3 + 1}", kinds[place % 4]
        name = f"trip/{camera}/{place:04}.jpg"
        write_picture(folder / name, *found)
        hour = f"2026-05-{5 + place // 12:02}T{6 + place % 12:02}:15:00"
        records.append(record(name, *found, camera=camera, at=hour if place % 7 else None))
    doubtful = "trip/deck-1/doubtful.jpg"
    write_picture(folder / doubtful)
    records.append(record(doubtful, likelihoods={"NoF": 0.46, "OTHER": 0.44, "RAY": 0.1}))
    still = fish("OTHER", (100, 20, 150, 60))
    write_picture(folder / "trip/deck-2/rail.jpg", still)
    records.append(record("trip/deck-2/rail.jpg", camera="deck-2", static=(still,)))
    records.append(failure("trip/deck-2/torn.jpg", BrokenImage("truncated JPEG. Copy it again")))
    records.append(
        failure("trip/<script>alert(1)</script>.jpg", EmptyImage("<img src=x> has 0 bytes"))
    )
    return write_run(folder / "out", sorted(records, key=lambda each: each.name))
