"""Two hundred files and more that nobody should send, made from one photograph and a seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

# What may become of a file: refused, or (where what is wrong does no harm) answered.
REFUSED = frozenset({413, 415, 422})
EITHER = REFUSED | {200}

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline.jpg": ("JPEG", {"quality": 85}),
    "progressive.jpg": ("JPEG", {"quality": 85, "progressive": True}),
    "plain.png": ("PNG", {}),
    "lossy.webp": ("WEBP", {"quality": 80, "method": 0}),
    "lossless.webp": ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
    "plain.bmp": ("BMP", {}),
    "plain.tiff": ("TIFF", {}),
    "packed.tiff": ("TIFF", {"compression": "tiff_lzw"}),
}


@dataclass(frozen=True)
class BadFile:
    """A file, its name, and the statuses that are right for it."""

    name: str
    content: bytes
    statuses: frozenset[int]


def battery(photograph: bytes, seed: int = 20170505) -> Iterator[BadFile]:
    """All of them, the same for the same seed."""
    chance = random.Random(seed)
    image = Image.open(io.BytesIO(photograph)).convert("RGB").resize((320, 200))
    good = {name: saved(image, kind, **given) for name, (kind, given) in FORMATS.items()}
    for name, content in good.items():
        yield from _truncated(name, content)
        yield from _flipped(name, content, chance)
        yield from _in_disguise(name, content)
    for name, content in _bombs(image).items():
        yield BadFile(f"bomb-{name}", content, REFUSED)
    for name, content in _lies(good).items():
        yield BadFile(f"lie-{name}", content, EITHER)
    for name, content in _polyglots(good).items():
        yield BadFile(f"polyglot-{name}", content, EITHER)
    for name, content in _no_pictures(chance).items():
        yield BadFile(f"none-{name}", content, REFUSED)


def saved(image: Image.Image, kind: str, **given: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **given)
    return stream.getvalue()


def _truncated(name: str, content: bytes) -> Iterator[BadFile]:
    for tenth in range(1, 10):
        cut = content[: len(content) * tenth // 10]
        yield BadFile(f"truncated-{tenth}0-{name}", cut, REFUSED)
    yield BadFile(f"truncated-by-one-{name}", content[:-1], EITHER)


def _flipped(name: str, content: bytes, chance: random.Random) -> Iterator[BadFile]:
    for number in range(12):
        changed = bytearray(content)
        # Half of them in the header, where a bit decides about sizes and offsets.
        reach = 64 if number % 2 else len(changed)
        for _ in range(chance.choice((1, 3, 20))):
            changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        yield BadFile(f"flipped-{number}-{name}", bytes(changed), EITHER)


def _in_disguise(name: str, content: bytes) -> Iterator[BadFile]:
    """A good picture under a wrong name is a good picture."""
    for wrong in ("deck.gif", "../../etc/passwd", "deck.php%00.jpg"):
        yield BadFile(wrong, content, frozenset({200}))


def chunk(name: bytes, content: bytes) -> bytes:
    """A PNG chunk."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")))


def _bombs(image: Image.Image) -> dict[str, bytes]:
    """Small files that would be large, or long to decode."""
    jpeg = saved(image, "JPEG")
    slow = saved(Image.new("L", (6000, 6000), 90), "JPEG", progressive=True)
    last = slow.rindex(b"\xff\xda")
    big = Image.new("1", (16383, 16383))
    zeros = zlib.compress(bytes(64 * 1024 * 1024), 9)
    return {
        "sof.jpg": _resized_jpeg(jpeg, 65500, 65500),
        "scans.jpg": slow[:-2] + slow[last:-2] * 150 + slow[-2:],
        "idat.png": png(30_000, 30_000, chunk(b"IDAT", zeros)),
        "wide.png": png(2**31 - 1, 1, chunk(b"IDAT", zeros)),
        "lossless.webp": saved(big, "WEBP", lossless=True, method=0, quality=0),
        "plain.bmp": _resized_bmp(saved(image, "BMP"), 60_000, 60_000),
        "runs.bmp": _run_length_bmp(20_000, 20_000),
        "deflate.tiff": saved(Image.new("L", (20_000, 20_000)), "TIFF", compression="tiff_deflate"),
    }


def _lies(good: dict[str, bytes]) -> dict[str, bytes]:
    """Headers that say something else than the content."""
    jpeg, bmp, tiff = good["baseline.jpg"], good["plain.bmp"], good["plain.tiff"]
    flat = chunk(b"IDAT", zlib.compress(bytes(100)))
    found = {
        "taller.jpg": _resized_jpeg(jpeg, 320, 4000),
        "flatter.jpg": _resized_jpeg(jpeg, 320, 8),
        "wider.jpg": _resized_jpeg(jpeg, 4000, 200),
        "no-height.jpg": _resized_jpeg(jpeg, 320, 0),
        "no-width.png": png(0, 10, flat),
        "little-content.png": png(300, 300, flat),
        "text-bomb.png": png(8, 8, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 26))), flat),
        "profile-bomb.png": png(
            8, 8, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 26))), flat
        ),
        "long-chunk.png": png(8, 8, struct.pack(">I", 2**31 - 1) + b"IDAT"),
        "no-data.png": png(8, 8),
        "negative.bmp": _resized_bmp(bmp, -320, 200),
        "most-negative.bmp": _resized_bmp(bmp, 320, -(2**31)),
        "taller.bmp": _resized_bmp(bmp, 320, 4000),
        "offset.bmp": bmp[:10] + struct.pack("<I", 2**32 - 1) + bmp[14:],
        "header.bmp": bmp[:14] + struct.pack("<I", 2**31) + bmp[18:],
        "directory.tiff": tiff[:4] + struct.pack("<I", 4) + tiff[8:],
        "far-directory.tiff": tiff[:4] + struct.pack("<I", 2**32 - 2) + tiff[8:],
        "riff.webp": good["lossy.webp"][:4] + struct.pack("<I", 12) + good["lossy.webp"][8:],
        "long-riff.webp": good["lossy.webp"][:4]
        + struct.pack("<I", 2**32 - 10)
        + good["lossy.webp"][8:],
    }
    for value in (0, 9, 0xFFFF):
        found[f"orientation-{value}.jpg"] = _with_exif(jpeg, value)
    return found


def _polyglots(good: dict[str, bytes]) -> dict[str, bytes]:
    """Files that are two things at once."""
    archive = b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)
    script = b"<script>alert(1)</script><?php system($_GET[0]); ?>"
    jpeg, plain = good["baseline.jpg"], good["plain.png"]
    return {
        "jpeg-and-zip": jpeg + archive,
        "png-and-zip": plain + archive,
        "pdf-and-jpeg": b"%PDF-1.7\n" + jpeg,
        "gif-and-jpeg": b"GIF89a" + jpeg,
        "html-and-png": script + plain,
        "png-and-html": plain + script,
        "jpeg-comment": jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(script) + 2) + script
        + jpeg[2:],
        "jpeg-and-jpeg": jpeg + jpeg,
        "jpeg-and-png": jpeg + plain,
        "bmp-text": b"BM is how the letter begins, and it goes on for a while after that.",
        "tiff-in-png": plain[:8] + good["plain.tiff"],
    }  # fmt: skip


def _no_pictures(chance: random.Random) -> dict[str, bytes]:
    return {
        "empty": b"",
        "zeros": bytes(1000),
        "random": chance.randbytes(5000),
        "text": b"Dear captain,\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "json": b'{"image": "deck.jpg"}',
        "jpeg-start": b"\xff\xd8",
        "jpeg-start-and-end": b"\xff\xd8\xff\xd9",
        "jpeg-markers": b"\xff\xd8" + b"\xff" * 100_000,
        "png-start": b"\x89PNG\r\n\x1a\n",
        "riff-start": b"RIFF\0\0\0\0WEBP",
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    }


def _resized_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    frame = jpeg.index(b"\xff\xc0")
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


def _resized_bmp(bmp: bytes, width: int, height: int) -> bytes:
    return bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]


def _run_length_bmp(width: int, height: int) -> bytes:
    """A few bytes of run lengths that say that all of it is one colour."""
    palette = bytes(range(256)) * 4
    content = b"\xff\x01" * 40 + b"\0\1"
    offset = 54 + len(palette)
    return (
        b"BM"
        + struct.pack("<IHHI", offset + len(content), 0, 0, offset)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(content), 0, 0, 256, 0)
        + palette
        + content
    )


def _with_exif(jpeg: bytes, orientation: int) -> bytes:
    block = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0"
        + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
        + struct.pack("<I", 8)  # the next directory is this one again
    )
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]
