"""Records of a made-up run, from a seed: pictures, frames of videos, failures, odd names."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.formats.table import FORMATS, open_writers
from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Failure, Moment, Origin, Record, frame_name
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
from deckwatch_vision.species import NCFM, NO_FISH

INFO = RunInfo(ReleaseInfo("season", 3), NCFM.species, "0.3.0", {"threshold": 0.4})
WHERE = FormatOptions(latitude=-18.1416, longitude=178.4419)
# What people, Windows and cameras call their files, and what may break a spreadsheet or a CSV file.
ODD_NAMES = (
    "=cmd|' /C calc'!A1.jpg",
    "@SUM(A1).jpg",
    "'quoted'.jpg",
    "'=both.jpg",
    'say "cheese", please.jpg',
    "two\nlines.jpg",
    "tab\tand\rreturn.jpg",
    "naïve/Überfang/漁獲/🐟.jpg",
    "C:\\Users\\Deck Cam\\haul 3\\a.jpg",
    "/mnt/card/DCIM/b.jpg",
    "../above/c.jpg",
    ".hidden/d.jpg",
    "dots..in/e..jpg",
    "no suffix",
    "same.jpg",
    "same.png",
    " space at both ends .jpg ",
    "percent%20.jpg",
    "-dash.jpg",
)


def some_records(seed: int = 0, count: int = 120) -> list[Record]:
    """Pictures and two videos of 25 frames a second, in the order in which a run has them."""
    rng = random.Random(seed)
    names = [*ODD_NAMES, *(f"trip {rng.randrange(3)}/img_{i:05}.jpg" for i in range(count))]
    records = [_picture(rng, name) for name in names]
    for video in ("trip/haul.mp4", "trip/Ünlü haul #2.avi"):
        origin = _origin(rng)
        size = (rng.randrange(300, 4000), rng.randrange(200, 3000))
        for number in range(0, 25 * 8, 13):
            moment = Moment(video, round(number / 25, 3), number)
            name = frame_name(video, moment.time_s)
            records.append(_answered(rng, name, size, origin, moment))
        lost = Moment(video, 9.0, 225)
        why = Failure("broken-video", "no frames between 9.0 and 11.2 s")
        records.append(Record(frame_name(video, 9.0), None, why, origin, lost))
    return records


def write_run(
    names: Iterable[str],
    records: Iterable[Record],
    out: Path,
    info: RunInfo = INFO,
    options: FormatOptions = WHERE,
    pixels: PixelSource | None = None,
) -> Path:
    """Write records in formats; the folder."""  # fmt: skip
    with open_writers(names, info, out, pixels or PixelSource(), options) as writers:
        for record in records:
            writers.write(record)
    return out


def read_back(name: str, out: Path, options: FormatOptions = WHERE) -> tuple[RunInfo, list[Record]]:
    """What a format's reader makes of what its writer wrote."""
    found = FORMATS[name]
    info, records = found.read(out / found.writes[0], options)
    return info, list(records)


def plain_result(
    name: str, *fish: Fish, size: tuple[int, int] = (640, 480), label: str = "NoF"
) -> Result:
    """A result of INFO's release; its likelihoods favour `label`."""
    likelihoods = {code: 0.93 if code == label else 0.01 for code in INFO.codes}
    return Result(label, likelihoods, fish, ImageInfo(name, *size, None), INFO.release)


def one_fish(
    label: str = "YFT",
    box: tuple[float, float, float, float] = (10, 20, 110, 80),
    score: float = 0.9,
) -> Fish:
    """A fish whose likelihoods favour its label."""  # fmt: skip
    return Fish(box, score, label, {code: 0.93 if code == label else 0.01 for code in INFO.codes})


def _picture(rng: random.Random, name: str) -> Record:
    origin = _origin(rng)
    if rng.random() < 0.1:
        code = rng.choice(("broken-image", "empty-image"))
        return Record(name, failure=Failure(code, 'torn: "half", the rest\nis lost'), origin=origin)
    size = (rng.randrange(300, 4000), rng.randrange(200, 3000))
    return _answered(rng, name, size, origin, None)


def _answered(
    rng: random.Random, name: str, size: tuple[int, int], origin: Origin, moment: Moment | None
) -> Record:
    fish = tuple(
        sorted((_fish(rng, size) for _ in range(rng.choice((0, 0, 1, 1, 2, 5)))),
               key=lambda one: -one.score)
    )  # fmt: skip
    static = tuple(_fish(rng, size) for _ in range(rng.choice((0, 0, 0, 1))))
    likelihoods = _likelihoods(rng)
    sha256 = f"{rng.getrandbits(256):064x}" if rng.random() < 0.5 else None
    result = Result(
        max(likelihoods, key=likelihoods.__getitem__), likelihoods, fish,
        ImageInfo(name, *size, sha256), INFO.release,
    )  # fmt: skip
    tracks = tuple(rng.choice((None, rng.randrange(50))) for _ in fish)
    if not any(track is not None for track in tracks) or moment is None:
        tracks = ()
    looked = rng.random() < 0.5
    return Record(
        name, result, origin=origin, moment=moment,
        looks=f"{rng.getrandbits(64):016x}" if moment else None,
        tracks=tracks, static=static,
        unchanged=tuple(round(rng.random(), 3) for _ in (*fish, *static)) if looked else (),
    )  # fmt: skip


def _fish(rng: random.Random, size: tuple[int, int]) -> Fish:
    x1, x2 = sorted(rng.sample(range(size[0] * 100), 2))
    y1, y2 = sorted(rng.sample(range(size[1] * 100), 2))
    likelihoods = _likelihoods(rng)
    label = max((code for code in likelihoods if code != NO_FISH), key=likelihoods.__getitem__)
    box = (x1 / 100, y1 / 100, x2 / 100, y2 / 100)
    return Fish(box, round(rng.uniform(0.3, 1), 6), label, likelihoods)


def _likelihoods(rng: random.Random) -> dict[str, float]:
    shares = [rng.random() ** 8 for _ in INFO.codes]
    return {
        code: round(share / sum(shares), 7) for code, share in zip(INFO.codes, shares, strict=True)
    }


def _origin(rng: random.Random) -> Origin:
    taken = f"2026-05-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:07"
    zone = rng.choice(("Z", "+12:00", "", "-03:30"))
    return Origin(
        rng.choice((None, "deck-1", "deck/2", "=cam")),
        rng.choice((None, "Albatros", "F/V Très Bonne", "100%")),
        rng.choice((None, taken + zone, f"{taken}.250{zone}")),
    )
