"""What pictures look like, from one look at each: digest, hashes, night, layout of the background.

Every data command needs some of it and decoding is what costs, so `import` writes it down in
`looks.jsonl` beside data.json. A row counts for the content that has its SHA-256 and nothing else:
a picture that changed is looked at again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import engines
from deckwatch_serving.progress import track
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Catalogue
from deckwatch_vision.daylight import is_night
from deckwatch_vision.errors import ImageError, UnreadableImage
from deckwatch_vision.images import decode
from deckwatch_vision.likeness import perceptual_hash

FILE = "looks.jsonl"
# The layout: orientations of edges in a grid of cells, as in a histogram of oriented gradients.
CELLS, BINS, SIDE = 8, 6, 96
# Standard deviation of grey values, of 255.
FLAT = 2.0
# Below this many pictures, starting worker processes takes longer than looking.
_FEW = 512


@dataclass(frozen=True, slots=True)
class Look:
    """One picture: upright size in pixels, two 64-bit hashes, and `layout` (see `layout_of`).

    flat: black, white or fogged all over; what its hashes say is noise.
    """

    sha256: str
    width: int
    height: int
    phash: int
    dhash: int
    night: bool
    layout: bytes
    flat: bool = False


def look(data: bytes) -> Look:
    """Decode a picture as in production and note what it looks like.

    Raises:
        ImageError: it cannot be decoded; the message says what to do.
    """
    pixels = decode(data)
    height, width = pixels.shape[:2]
    # The hashes and the layout see a small copy alike, which halves their cost.
    small = pixels
    if min(height, width) > 2 * SIDE:
        scale = 2 * SIDE / min(height, width)
        size = (round(width * scale), round(height * scale))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Look(
        hashlib.sha256(data).hexdigest(),
        width,
        height,
        perceptual_hash(small),
        difference_hash(small),
        is_night(pixels),
        layout_of(small).tobytes(),
        is_flat(small),
    )


def is_flat(pixels: NDArray[np.uint8]) -> bool:
    """Whether nothing can be told apart: grey values hardly vary once noise is averaged out."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return float(cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).std()) < FLAT


def difference_hash(pixels: NDArray[np.uint8]) -> int:
    """dHash: whether each of 8 x 8 grey pixels is brighter than its left neighbour, 64 bits."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = (small[:, 1:] > small[:, :-1]).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def layout_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where the picture has edges and which way they run: uint8 [CELLS * CELLS * BINS].

    Edges of rails, hatches and tables stay when light and colours change between day and night.
    Each cell is scaled to its own contrast, so that a lit corner does not drown the rest; a cell
    flatter than the noise stays near zero.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    # An edge has no direction: light to dark may become dark to light at night.
    turn = np.mod(np.arctan2(down, across), np.pi) / np.pi * BINS
    low = np.floor(turn).astype(np.int64)
    share = turn - low
    cell = np.arange(SIDE) * CELLS // SIDE
    place = (cell[:, None] * CELLS + cell[None, :]) * BINS
    votes = np.zeros(CELLS * CELLS * BINS, np.float64)
    for bins, weight in ((low % BINS, 1 - share), ((low + 1) % BINS, share)):
        votes += np.bincount(
            (place + bins).reshape(-1), (strength * weight).reshape(-1), len(votes)
        )
    cells = votes.reshape(-1, BINS)
    norm = np.linalg.norm(cells, axis=1, keepdims=True)
    floor = 0.25 * float(norm.mean()) + 1e-6
    scaled = np.round(255 * cells / np.maximum(norm, floor)).reshape(-1)
    return np.asarray(scaled.astype(np.uint8))


def look_at(path: Path) -> Look | ImageError:
    """`look` at a file; what is wrong with it is given back, so that others go on."""
    try:
        return look(path.read_bytes())
    except OSError as error:
        return UnreadableImage(f"cannot be opened: {error.strerror}. Correct the path or copy it")
    except ImageError as error:
        return error


def survey(
    paths: Sequence[Path],
    known: Mapping[str, Look] | None = None,
    *,
    workers: int = 0,
    title: str = "looking at pictures",
) -> list[Look | ImageError]:
    """What each file looks like, or what is wrong with it, in order.

    Files whose content is `known` are only read. workers: processes, 0 for one a core. Pixels of no
    more than a few pictures are held at once.
    """
    found: dict[int, Look | ImageError] = {}
    if known:
        for i, path in enumerate(track(paths, "reading pictures", len(paths))):
            held = known.get(_digest(path))
            if held:
                found[i] = held
    left = [i for i in range(len(paths)) if i not in found]
    if len(left) < _FEW:
        workers = 1
    looks = engines.run(look_at, (paths[i] for i in left), workers=workers)
    found.update(zip(left, track(looks, title, len(left)), strict=True))
    return [found[i] for i in range(len(paths))]


def survey_catalogue(
    data: Catalogue, beside: Path | None = None, *, workers: int = 0
) -> list[Look | ImageError]:
    """`survey` of a data set's pictures; beside: its folder or JSON, where looks may be noted."""
    known = read(beside) if beside else {}
    return survey([data.path(entry) for entry in data.entries], known, workers=workers)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def read(path: Path) -> dict[str, Look]:
    """The looks noted beside a data set, by SHA-256; as many as can be read."""
    folder = path if path.is_dir() else path.parent
    found = {}
    try:
        with (folder / FILE).open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                found[row["sha256"]] = Look(
                    row["sha256"], row["width"], row["height"], int(row["phash"], 16),
                    int(row["dhash"], 16), row["night"], base64.b64decode(row["layout"]),
                    row["flat"],
                )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it only saves time: what is missing is looked at again
    return {key: each for key, each in found.items() if len(each.layout) == CELLS * CELLS * BINS}


def write(path: Path, looks: Iterable[Look | ImageError]) -> None:
    """Note looks beside a data set, each content once, moved into place whole."""
    folder = path if path.is_dir() else path.parent
    part = folder / (FILE + ".part")
    done: set[str] = set()
    with part.open("w", encoding="utf-8") as file:
        for each in looks:
            if isinstance(each, ImageError) or each.sha256 in done:
                continue
            done.add(each.sha256)
            row = {
                "sha256": each.sha256, "width": each.width, "height": each.height,
                "phash": f"{each.phash:016x}", "dhash": f"{each.dhash:016x}", "night": each.night,
                "layout": base64.b64encode(each.layout).decode(), "flat": each.flat,
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    part.replace(folder / FILE)


def nights(data: Catalogue, looks: Sequence[Look | ImageError]) -> list[bool | None]:
    """Whether each picture is of the night: as the data set says, else as it looks."""
    return [
        entry.night
        if entry.night is not None
        else None
        if isinstance(each, ImageError)
        else each.night
        for entry, each in zip(data.entries, looks, strict=True)
    ]


def data_file(path: Path) -> Path:
    """The JSON of a data set that is named by its folder or by the JSON."""
    return path / catalogues.FILE if path.is_dir() else path
