"""Thumbnails of the animals and pictures that the page shows: each picture is read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from deckwatch_client.pictures import printable
from deckwatch_client.records import Record
from deckwatch_serving.pages import Thumbnail
from deckwatch_vision.errors import DeckwatchError
from deckwatch_vision.images import encode_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deckwatch_client.pixels import PixelSource

    Pixels: TypeAlias = NDArray[np.uint8]

# Pixels of the longer sides of both pictures, what is shown round a fish as a share of its longer
# side, and JPEG's quality: about 13 kB for both, see docs/report.md.
CLOSE, WHOLE, CONTEXT, QUALITY = 160, 220, 0.3, 70
_GREY, _OUTLINE = (203, 213, 225), (255, 200, 0)


class Thumbnails:
    """Makes them all in one go, then gives them by record.

    Frames of a video come in rising order, so that it is decoded once from front to back.
    """

    def __init__(self, source: PixelSource) -> None:
        self._source = source
        self._wanted: dict[str, Record] = {}
        self._made: dict[str, list[Thumbnail]] = {}

    def want(self, records: Iterable[Record]) -> None:
        """These will be shown; a record of one fish shows that fish close up as well."""
        self._wanted |= {key(record): record for record in records}

    def make(self, track: Callable[[list[Record]], Iterable[Record]] = iter) -> None:
        """Read every picture and make what is wanted of it.

        A picture that cannot be read becomes a grey one, and the source tells of it.
        """
        ordered = sorted(self._wanted.values(), key=lambda record: record.name)
        last: tuple[str, Pixels | None] | None = None
        for record in track(ordered):
            if last is None or last[0] != record.name:
                last = record.name, self._pixels(record)
            self._made[key(record)] = _of(record, last[1])
        self._wanted.clear()

    def of(self, record: Record) -> list[Thumbnail]:
        """What was made for a record."""
        return self._made[key(record)]

    def _pixels(self, record: Record) -> Pixels | None:
        try:
            return self._source.pixels(record)
        except DeckwatchError as error:
            self._source.missing(record, error)
            return None


def key(record: Record) -> str:
    """What tells the wanted pictures apart: the name and the fish."""
    boxes = [one.box for one in record.result.fish] if record.result else []
    return f"{boxes} {record.name}"


def _of(record: Record, pixels: Pixels | None) -> list[Thumbnail]:
    name = printable(record.name)
    if pixels is None:
        grey = np.full((CLOSE, CLOSE, 3), _GREY, np.uint8)
        return [_thumbnail(grey, f"{name}: the picture could not be read")]
    fish = record.result.fish if record.result else ()
    found = []
    if len(fish) == 1:
        close, _ = _fitting(_round(pixels, fish[0].box), CLOSE)
        found.append(_thumbnail(close, f"{fish[0].label}, close up, in {name}"))
    whole, scale = _fitting(pixels, WHOLE)
    for one in fish:
        x1, y1, x2, y2 = (round(edge * scale) for edge in one.box)
        cv2.rectangle(whole, (x1, y1), (x2, y2), _OUTLINE, 2)
    outlined = ", its fish outlined" if fish else ""
    found.append(_thumbnail(whole, f"The whole of {name}{outlined}"))
    return found


def _round(pixels: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    """The part of the picture round a box, as far as there is one."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    more = max(x2 - x1, y2 - y1) * CONTEXT
    left, right = int(max(0, min(x1 - more, width - 1))), int(min(width, max(x2 + more, 1)))
    top, bottom = int(max(0, min(y1 - more, height - 1))), int(min(height, max(y2 + more, 1)))
    return pixels[top : max(bottom, top + 1), left : max(right, left + 1)]


def _fitting(pixels: Pixels, side: int) -> tuple[Pixels, float]:
    """A copy with this longer side, and its scale; larger only up to four times."""
    height, width = pixels.shape[:2]
    scale = min(4.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Without the copy a picture of that size already would be drawn into.
    return np.array(cv2.resize(pixels, size, interpolation=way), np.uint8), scale


def _thumbnail(pixels: Pixels, alt: str) -> Thumbnail:
    height, width = pixels.shape[:2]
    return Thumbnail(encode_jpeg(pixels, QUALITY, "420"), width, height, alt)
