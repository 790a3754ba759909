"""The answer as a picture: the photograph with its fish outlined and named."""

from __future__ import annotations

import asyncio

from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.overlay import draw_fish
from deckwatch_vision.result import Result

# A 64-megapixel photograph takes 200 MB while it is drawn on: two at a time, whatever comes.
AT_ONCE = 2


class Overlay:
    """Draws overlays in threads, so that other requests are answered meanwhile."""

    def __init__(self, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def jpeg(self, picture: bytes, result: Result) -> bytes:
        """A JPEG of `picture` (upright) with the boxes and captions of `result`.

        Raises an ImageError when the picture cannot be decoded.
        """
        async with self._turn:
            return await asyncio.to_thread(draw_overlay, picture, result, self._max_pixels)


def draw_overlay(picture: bytes, result: Result, max_pixels: int) -> bytes:
    """See `Overlay.jpeg`."""
    image = decode(picture, max_pixels=max_pixels)
    return encode_jpeg(draw_fish(image, result.fish))
