"""A simulated data set on disk: pictures, data.json, and in every file that it is simulated.

Each JPEG carries its truth in a comment, so that the same command continues after an interruption
without drawing a picture twice and without a second file that could disagree with the first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deckwatch_serving import engines
from deckwatch_serving.progress import track
from deckwatch_training import catalogue
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.simulate.pictures import render
from deckwatch_training.simulate.scenes import Frame, frame
from deckwatch_training.simulate.vessels import Vessel, vessel
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.species import NO_FISH

SOURCE = "simulated"
LICENCE = "CC0-1.0 (simulated)"
# Counts up when the same seed no longer gives the same bytes.
VERSION = 1
# Pictures that a worker takes at once.
_CHUNK = 16
# Says of a folder which simulation it holds.
MARK = "simulation.json"
_COMMENT = b"Deckwatch: simulated picture, no photograph. CC0-1.0. "
_README = """Simulated pictures
==================
Drawn by `deckwatch data simulate`; nothing here is a photograph. They are for trying out, testing
and measuring Deckwatch. A model that learnt from them must not be used on a vessel.
Licence: CC0-1.0.
"""


@dataclass(frozen=True)
class Simulation:
    """What decides the pictures: number i depends on these and on i, and on nothing else."""

    seed: int
    vessels: int
    size: tuple[int, int]
    night_share: float
    skew: float = 1.0
    frames: int | None = None
    lookalikes: int = 0

    def check(self) -> None:
        """Raise UsageError where a value makes no sense."""
        width, height = self.size
        for wrong, text in (
            (self.seed < 0, f"seed {self.seed}: give 0 or more"),
            (not 1 <= self.vessels <= 999, f"{self.vessels} vessels: give 1 to 999"),
            (not (64 <= width <= 4096 and 48 <= height <= 4096),
             f"size {width} x {height}: give a width of 64 to 4096 and a height of 48 to 4096"),
            (not 0 <= self.night_share <= 1, f"night share {self.night_share}: give 0 to 1"),
            (not 0 <= self.skew <= 2, f"skew {self.skew}: give 0 (even) to 2"),
            (self.frames is not None and self.frames < 1, f"{self.frames} frames: give 1 or more"),
            (not 0 <= self.lookalikes <= 20, f"{self.lookalikes} look-alikes: give 0 to 20"),
        ):  # fmt: skip
            if wrong:
                raise UsageError(f"Cannot simulate with {text}.")

    def vessel(self, number: int) -> Vessel:
        """The vessel of a picture."""
        return vessel(self.seed, number % self.vessels, self.size, self.skew)

    def frame(self, number: int) -> Frame:
        """The scene and the moment of a picture."""
        of = self.vessel(number)
        return frame(self.seed, of, number // self.vessels, self.night_share, self.frames)

    def file(self, number: int) -> str:
        """Where a picture lies in the folder."""
        return f"{self.vessel(number).name}/simulated-{number:06d}.jpg"

    def jpeg(self, number: int) -> bytes:
        """The encoded picture, with its truth in the comment."""
        of = self.vessel(number)
        moment = self.frame(number)
        pixels, seen = render(self.seed, of, moment, self.lookalikes)
        truth = {
            "vessel": of.name,
            "captured_at": moment.captured_at.isoformat(),
            "night": moment.scene.night,
            "boxes": [[each.species, *each.box] for each in seen],
        }
        comment = _COMMENT + json.dumps(truth).encode()
        data = encode_jpeg(pixels, of.quality)
        # Right behind the start mark: COM, its length (itself included), the text.
        return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def write(
    folder: Path,
    *,
    pictures: int,
    vessels: int,
    seed: int,
    size: tuple[int, int] = (640, 360),
    night_share: float = 0.3,
    skew: float = 1.0,
    frames: int | None = None,
    lookalikes: int = 0,
    splits: bool = False,
    workers: int = 1,
) -> Catalogue:
    """Draw a simulated data set into a folder: JPEGs, one folder a vessel, and data.json.

    The same arguments give the same bytes, whatever the number of workers and however often it was
    interrupted. More `pictures` continue a folder that holds fewer of the same simulation.

    Args:
        folder: new, empty, or holding the beginning of this simulation.
        pictures: how many.
        vessels: of how many vessels, in turn.
        seed: 0 or more.
        size: width and height in pixels.
        night_share: share of the scenes seen by night vision.
        skew: 1 for the species frequencies of the competition, 0 for even ones.
        frames: pictures a scene, the camera standing still; None for bursts of one to four.
        lookalikes: fish-shaped objects that never move, and are no fish, on each vessel.
        splits: whether vessels are dealt out to train, calibrate, valid and test.
        workers: processes; 0: one a core.

    Raises:
        UsageError: the folder holds something else, or an argument makes no sense.
    """
    simulation = Simulation(seed, vessels, size, night_share, skew, frames, lookalikes)
    simulation.check()
    if pictures < 1:
        raise UsageError(f"Cannot simulate {pictures} pictures: give 1 or more.")
    _claim(folder, simulation, pictures)
    split = _splits(vessels) if splits else {}
    chunks = engines.run(Drawer(folder, simulation), _chunks(pictures, vessels), workers=workers)
    drawn = track((each for chunk in chunks for each in chunk), "drawing", pictures)
    entries = [_entry(simulation, number, truth, split) for number, truth in drawn]
    catalogue.write(Catalogue(folder, tuple(entries), _info(simulation)), folder / catalogue.FILE)
    return catalogue.read(folder)


def is_simulated(data: Catalogue | Mapping[str, Any]) -> bool:
    """Whether a data set (or its `info`, or a release's words on its data) holds drawn pictures.

    What is simulated says so in its name, and every picture in its source.
    """
    if isinstance(data, Catalogue):
        return is_simulated(data.info) or any(
            SOURCE in (entry.source or "") or SOURCE in (entry.licence or "")
            for entry in data.entries
        )
    return any(SOURCE in str(data.get(key, "")).lower() for key in ("name", "source", "licence"))


def _claim(folder: Path, simulation: Simulation, pictures: int) -> None:
    """Take the folder, or see that it holds the beginning of the same simulation."""
    mark = folder / MARK
    wanted = json.loads(json.dumps({"version": VERSION} | asdict(simulation)))
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Give a folder with --out.")
    if mark.exists():
        try:
            held = dict(json.loads(mark.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{mark} is damaged ({error}). Give an empty folder.") from None
        differ = sorted(key for key in held | wanted if held.get(key) != wanted.get(key))
        if differ:
            told = ", ".join(f"{key} {held.get(key)}, not {wanted.get(key)}" for key in differ)
            raise UsageError(
                f"{folder} holds another simulation ({told}). Give an empty folder, or the same "
                "values to continue it."
            )
        last = max((int(path.stem[-6:]) for path in folder.glob("*/simulated-*.jpg")), default=-1)
        if last >= pictures:
            raise UsageError(
                f"{folder} was begun with more than {pictures} pictures. Give at least {last + 1}, "
                "or an empty folder."
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty. Give a new folder: nothing is overwritten.")
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.txt").write_text(_README, encoding="utf-8")
        part = mark.with_suffix(".part")
        part.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        part.replace(mark)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}. Give a folder with room that may be written "
            "to, then run the same command again; it continues."
        ) from None


def _chunks(pictures: int, vessels: int) -> Iterator[list[int]]:
    """The numbers by vessel and then by time, as files of cameras come.

    A chunk is of one vessel: its deck and its fish are painted once a process.
    """
    for first in range(min(vessels, pictures)):
        numbers = range(first, pictures, vessels)
        for start in range(0, len(numbers), _CHUNK):
            yield list(numbers[start : start + _CHUNK])


@dataclass(frozen=True)
class Drawer:
    """Draws pictures into a folder, unless they are there, and tells what is on them."""

    folder: Path
    simulation: Simulation

    def __call__(self, numbers: list[int]) -> list[tuple[int, dict[str, Any]]]:
        return [(number, self._one(number)) for number in numbers]

    def _one(self, number: int) -> dict[str, Any]:
        path = self.folder / self.simulation.file(number)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = self.simulation.jpeg(number)
            with _writing(path):
                path.parent.mkdir(exist_ok=True)
                part = path.with_suffix(".part")
                part.write_bytes(data)
                os.replace(part, path)
        return read_truth(data, path)


def read_truth(data: bytes, path: Path) -> dict[str, Any]:
    """What the comment of a simulated JPEG says of it.

    Raises:
        UsageError: it carries no such comment; delete the file to have it drawn anew.
    """
    length = int.from_bytes(data[4:6], "big")
    comment = data[6 : 4 + length]
    if data[:4] != b"\xff\xd8\xff\xfe" or not comment.startswith(_COMMENT):
        raise UsageError(f"{path} was not written by the simulator. Delete it and run again.")
    return dict(json.loads(comment[len(_COMMENT) :]))


def _entry(
    simulation: Simulation, number: int, truth: Mapping[str, Any], split: Mapping[int, str]
) -> Entry:
    boxes = tuple(Box(str(code), *(float(v) for v in box)) for code, *box in truth["boxes"])
    return Entry(
        simulation.file(number), *simulation.size, boxes,
        label=None if boxes else NO_FISH, vessel=truth["vessel"],
        camera=f"{truth['vessel']}-cam-1", captured_at=truth["captured_at"], source=SOURCE,
        licence=LICENCE, split=split.get(number % simulation.vessels), night=truth["night"],
    )  # fmt: skip


def _splits(vessels: int) -> dict[int, str]:
    """Which vessel is for what: about half for training, at least one to measure on."""
    names = ["valid"] * max(1, round(vessels / 4))
    names += ["calibrate"] * (1 if vessels >= 3 else 0)
    names += ["test"] * (round(vessels / 6) if vessels >= 5 else 0)
    names = ["train"] * (vessels - len(names)) + names
    return dict(enumerate(names))


def _info(simulation: Simulation) -> dict[str, Any]:
    return {
        "name": f"simulated decks (seed {simulation.seed}, {simulation.vessels} vessels)",
        "description": "Drawn by the deck simulator of Deckwatch; no photographs.",
        "source": SOURCE, "licence": LICENCE, "attribution": "none needed",
        "simulation": {"version": VERSION} | asdict(simulation),
    }  # fmt: skip
