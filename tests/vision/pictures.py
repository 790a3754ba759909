"""Pictures for the tests of decoding: made by Pillow, or byte by byte where Pillow cannot."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def scene(height: int = 48, width: int = 64) -> Pixels:
    """Slopes of colour, different in all four corners, so that no turn goes unseen."""
    y, x = np.mgrid[:height, :width]
    across, down = x * 250 // max(1, width - 1), y * 250 // max(1, height - 1)
    return np.stack((across, down, (across + down) // 4), axis=-1).astype(np.uint8)


def grey_of(image: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(image).convert("L"))


def spread(grey: NDArray[Any]) -> NDArray[Any]:
    """Grey as three equal channels."""
    return np.repeat(grey[..., None], 3, axis=2)


def encoded(image: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[274] = orientation
    return block


def turned(upright: Pixels, orientation: int) -> Pixels:
    """How a camera that writes this orientation stores the picture, after the EXIF standard's
    table: which sides of the upright picture the stored first row and first column are."""
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    return np.ascontiguousarray(stored[orientation])


def png(width: int, height: int, content: bytes, *, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header may lie; `content` is the compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*one) for one in chunks)


def png_chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_with(data: bytes, name: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return data[:33] + png_chunk(name, content) + data[33:]


def grey_alpha_16(image: Pixels) -> bytes:
    """A 16-bit PNG of grey and alpha, which Pillow cannot write."""
    height, width = image.shape[:2]
    samples = np.stack((grey_of(image).astype(int) * 257, np.full((height, width), 9)), axis=-1)
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2"))
    return png(width, height, zlib.compress(rows), bits=16, colour=4)


def tiff(
    pixels: NDArray[Any],
    *,
    bits: int,
    colour: int,
    order: str = "<",
    tile: int | None = None,
    planes: bool = False,
    packed: bool = False,
    extra: Iterable[tuple[int, Sequence[int]]] = (),
) -> bytes:
    """A TIFF made by hand: `colour` is tag 262, `extra` more SHORT tags. `packed` deflates."""
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    parts = [_samples(part, bits, order) for part in _parts(pixels, tile, planes)]
    if packed:
        parts = [zlib.compress(part) for part in parts]
    starts = (8 + np.cumsum([0, *(len(part) for part in parts)])).tolist()
    tags: list[tuple[int, str, Sequence[int]]] = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [bits] * samples),
        (259, "H", [8 if packed else 1]),
        (262, "H", [colour]),
        (277, "H", [samples]),
        (284, "H", [2 if planes else 1]),
        (324 if tile else 273, "I", starts[:-1]),
        (325 if tile else 279, "I", [len(part) for part in parts]),
        *((tag, "H", values) for tag, values in extra),
    ]
    tags += [(322, "I", [tile]), (323, "I", [tile])] if tile else [(278, "I", [height])]
    content = b"".join(parts)
    content += b"\0" * (len(content) % 2)
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, 8 + len(content))
    return head + content + _directory(sorted(tags), order, 8 + len(content))


def _parts(pixels: NDArray[Any], tile: int | None, planes: bool) -> Iterable[NDArray[Any]]:
    if planes:
        return [pixels[..., place] for place in range(pixels.shape[2])]
    if tile is None:
        return [pixels]
    height, width = pixels.shape[:2]
    tiles = []
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            piece = pixels[top : top + tile, left : left + tile]
            full = np.zeros((tile, tile, *pixels.shape[2:]), pixels.dtype)
            full[: piece.shape[0], : piece.shape[1]] = piece
            tiles.append(full)
    return tiles


def _samples(part: NDArray[Any], bits: int, order: str) -> bytes:
    if bits >= 8:
        return part.astype(f"{order}u{bits // 8}").tobytes()
    rows = np.unpackbits(part.reshape(part.shape[0], -1, 1).astype(np.uint8), axis=2)
    return np.packbits(rows[..., 8 - bits :].reshape(part.shape[0], -1), axis=1).tobytes()


def _directory(tags: Sequence[tuple[int, str, Sequence[int]]], order: str, start: int) -> bytes:
    entries, beyond = struct.pack(f"{order}H", len(tags)), b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, letter, values in tags:
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(content) > 4:
            place, beyond = after + len(beyond), beyond + content
            content = struct.pack(f"{order}I", place)
        kind = {"H": 3, "I": 4}[letter]
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    return entries + struct.pack(f"{order}I", 0) + beyond


def jpeg_of_rare_layout(luma: Sequence[int], blue: int, red: int) -> bytes:
    """A JPEG of 24 x 8 pixels: three flat blocks of luma, one of each chroma (3:1 across), which
    is legal but written by hardly any encoder."""
    bits = ""
    for values in (luma, [blue], [red]):
        before = 0
        for value in values:
            step = 8 * (value - 128) - before
            before += step
            size = abs(step).bit_length()
            # Four bits for the size, then the value (ones' complement if negative), then end of
            # block, the only code of the other table.
            extra = step if step >= 0 else step + (1 << size) - 1
            bits += f"{size:04b}" + (f"{extra:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    parts = (
        (b"\xdb", b"\0" + b"\1" * 64),
        (b"\xc0", struct.pack(">BHHB", 8, 8, 24, 3) + b"\1\x31\0\2\x11\0\3\x11\0"),
        (b"\xc4", b"\0" + bytes([0, 0, 0, 12]) + bytes(12) + bytes(range(12))),
        (b"\xc4", b"\x10" + bytes([1]) + bytes(15) + b"\0"),
        (b"\xda", b"\3\1\0\2\0\3\0\0\x3f\0"),
    )
    head = b"".join(
        b"\xff" + name + struct.pack(">H", len(part) + 2) + part for name, part in parts
    )
    return b"\xff\xd8" + head + scan + b"\xff\xd9"
