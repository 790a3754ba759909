"""The shipped photographs, and every kind of file that one of them may come in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

ORIENTATION = 0x0112  # EXIF 2.32


def make_pictures(photos: Sequence[Path]) -> dict[str, bytes]:
    """File names and contents: the photographs, and variants of the first few in turn."""
    assert len(photos) >= 8, "examples/photos holds at least eight photographs"
    pictures = {photo.name: photo.read_bytes() for photo in photos}
    opened = [Image.open(photo).convert("RGB") for photo in photos[:4]]
    for orientation in range(1, 9):
        name = f"orientation-{orientation}.jpg"
        pictures[name] = _save(opened[0], "JPEG", exif=_turned(orientation))
    photo = iter(opened * 8)
    pictures |= {
        "plain.png": _save(next(photo), "PNG"),
        "grey.png": _save(next(photo).convert("L"), "PNG"),
        "palette.png": _save(next(photo).quantize(64), "PNG"),
        "alpha.png": _save(_see_through(next(photo)), "PNG"),
        "one-bit.png": _save(next(photo).convert("1"), "PNG"),
        "turned.png": _save(next(photo), "PNG", exif=_turned(6)),
        "colour-16-bit.png": _encode(".png", _sixteen_bits(next(photo))),
        "grey-16-bit.png": _encode(".png", _sixteen_bits(next(photo).convert("L"))),
        "lossy.webp": _save(next(photo), "WEBP", quality=80),
        "lossless.webp": _save(_see_through(next(photo)), "WEBP", lossless=True, method=0),
        "turned.webp": _save(next(photo), "WEBP", exif=_turned(8)),
        "plain.bmp": _save(next(photo), "BMP"),
        "plain.tiff": _save(next(photo), "TIFF"),
        "packed.tiff": _save(next(photo), "TIFF", compression="tiff_lzw"),
        "colour-16-bit.tiff": _encode(".tiff", _sixteen_bits(next(photo))),
        "grey.jpg": _save(next(photo).convert("L"), "JPEG"),
        "cmyk.jpg": _save(next(photo).convert("CMYK"), "JPEG"),
        "progressive.jpg": _save(next(photo), "JPEG", progressive=True),
        "full-chroma.jpg": _save(next(photo), "JPEG", subsampling=0),
        "panorama.jpg": _save(next(photo).resize((6000, 500)), "JPEG"),
        "column.jpg": _save(next(photo).resize((90, 3000)), "JPEG"),
        "16x16.png": _save(next(photo).resize((16, 16)), "PNG"),
        "1x1.png": _save(next(photo).resize((1, 1)), "PNG"),
    }
    return pictures


def _save(image: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def _see_through(image: Image.Image) -> Image.Image:
    """Alpha from nothing on the left to full on the right."""
    ramp = Image.linear_gradient("L").rotate(90).resize(image.size)
    image = image.copy()
    image.putalpha(ramp)
    return image


def _sixteen_bits(image: Image.Image) -> np.ndarray:
    # The lower byte is noise: whoever keeps it, or rounds, gets other pixels than we do.
    pixels = np.asarray(image).astype(np.uint16) << 8
    return pixels | np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint16)


def _encode(kind: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(kind, pixels)[1].tobytes()
