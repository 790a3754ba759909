"""Videos made at test time, every frame of which tells its own number.

    write_video(path, range(60))                  # frames 0 to 59, ten a second
    number_in(frame.pixels)                       # which one is this?

The number stands in the top rows as sixteen black or white squares, which survive any compression.
What OpenCV cannot write (rotation, varying times, fragments) is edited into an MP4's boxes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

HEIGHT, WIDTH, FPS = 240, 320, 10
BITS, SIDE = 16, 20
# Container and codec that every OpenCV writes by itself.
KINDS = {"mp4": "mp4v", "mkv": "mp4v", "avi": "MJPG", "ts": "mpg2", "webm": "VP80"}


def numbered(number: int, *, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """A picture RGB [H,W,3] with its number, and a grey texture that moves a little."""
    random = np.random.default_rng(7)
    texture = random.integers(60, 190, (height // 8, width // 8, 3), dtype=np.uint8)
    pixels = cv2.resize(texture, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = np.roll(pixels, number, axis=1)
    for bit in range(BITS):
        pixels[:SIDE, bit * SIDE : (bit + 1) * SIDE] = 255 * (number >> bit & 1)
    return np.asarray(pixels, np.uint8)


def number_in(pixels: Pixels) -> int:
    """The number that `numbered` drew."""
    middle = SIDE // 2
    return sum(int(pixels[middle, bit * SIDE + middle, 1] > 127) << bit for bit in range(BITS))


def write_video(
    path: Path, pictures: Iterable[Pixels | int], *, fps: float = FPS, codec: str | None = None
) -> Path:
    """Write pictures, or the numbered ones of numbers, as a video of the suffix's kind."""
    writer = None
    fourcc = cv2.VideoWriter.fourcc(*(codec or KINDS[path.suffix[1:]]))
    for each in pictures:
        pixels = numbered(each) if isinstance(each, int) else each
        if writer is None:
            size = (pixels.shape[1], pixels.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, size)
            if not writer.isOpened():
                raise RuntimeError(f"this OpenCV cannot write {path}")
        writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if writer is not None:
        writer.release()
    return path


def zeroed(path: Path, start: float, end: float) -> Path:
    """The file with the bytes of a share of it, from `start` to `end` (0 to 1), set to zero."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * start), int(len(data) * end)
    data[first:last] = bytes(last - first)
    path.write_bytes(data)
    return path


def scrambled(path: Path, start: float, end: float) -> Path:
    """The file with a share of it overwritten by random bytes."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * start), int(len(data) * end)
    data[first:last] = np.random.default_rng(5).integers(0, 256, last - first, np.uint8).tobytes()
    path.write_bytes(data)
    return path


def cut(path: Path, share: float) -> Path:
    """The file cut after a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@dataclass
class Box:
    """A box of an MP4: its type, and its content or the boxes within."""

    kind: bytes
    content: bytes = b""
    boxes: list[Box] = field(default_factory=list)

    def find(self, *path: bytes) -> Box:
        """The box at a path below this one."""
        here = self
        for kind in path:
            here = next(each for each in here.boxes if each.kind == kind)
        return here

    def bytes(self) -> bytes:
        """The box as it stands in a file."""
        content = b"".join(each.bytes() for each in self.boxes) or self.content
        return struct.pack(">I", 8 + len(content)) + self.kind + content


def _boxes(data: bytes) -> list[Box]:
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + size] if size else data[at + 8 :]
        inner = _boxes(content) if kind in CONTAINERS else []
        found.append(Box(kind, b"" if inner else content, inner))
        at += size or len(data)
    return found


def _edited(path: Path) -> tuple[Box, Box]:
    """The whole MP4 as one box, and its track; edit lists are dropped."""
    whole = Box(b"root", boxes=_boxes(path.read_bytes()))
    track = whole.find(b"moov", b"trak")
    track.boxes = [each for each in track.boxes if each.kind != b"edts"]
    return whole, track


def turn(path: Path) -> Path:
    """Say in the MP4 that its pictures are to be turned by 90 degrees clockwise to be upright."""
    whole, track = _edited(path)
    header = track.find(b"tkhd")
    one, w = 1 << 16, 1 << 30
    matrix = struct.pack(">9i", 0, one, 0, -one, 0, 0, HEIGHT << 16, 0, w)
    header.content = header.content[:40] + matrix + header.content[76:]
    path.write_bytes(b"".join(each.bytes() for each in whole.boxes))
    return path


def retime(path: Path, times_ms: Sequence[int]) -> Path:
    """Give every frame of the MP4 its own time."""
    whole, track = _edited(path)
    gaps = [*(later - now for now, later in pairwise(times_ms)), 100]
    header = track.find(b"mdia", b"mdhd")
    # Thousand ticks a second, and how many there are.
    header.content = header.content[:12] + struct.pack(">II", 1000, sum(gaps)) + header.content[20:]
    table = track.find(b"mdia", b"minf", b"stbl", b"stts")
    table.content = struct.pack(">II", 0, len(gaps)) + b"".join(
        struct.pack(">II", 1, gap) for gap in gaps
    )
    path.write_bytes(b"".join(each.bytes() for each in whole.boxes))
    return path


def fragment(path: Path, length: int = 12) -> Path:
    """Turn the MP4 into a fragmented one, `length` frames (one group of pictures) a fragment."""
    data = path.read_bytes()
    whole, track = _edited(path)
    table = track.find(b"mdia", b"minf", b"stbl")
    tables = {each.kind: each.content for each in table.boxes}
    count = struct.unpack_from(">I", tables[b"stsz"], 8)[0]
    sizes = struct.unpack_from(f">{count}I", tables[b"stsz"], 12)
    ticks = struct.unpack_from(">I", tables[b"stts"], 12)[0]
    samples = _samples(data, tables, sizes)
    for each in table.boxes:
        if each.kind in (b"stts", b"stsc", b"stco"):
            each.content = bytes(8)
        elif each.kind == b"stsz":
            each.content = bytes(12)
    table.boxes = [each for each in table.boxes if each.kind != b"stss"]
    extends = Box(b"trex", struct.pack(">6I", 0, 1, 1, ticks, 0, 0))
    whole.find(b"moov").boxes.append(Box(b"mvex", boxes=[extends]))
    out = whole.find(b"ftyp").bytes() + whole.find(b"moov").bytes()
    for number, start in enumerate(range(0, count, length)):
        out += _fragment(number, start * ticks, samples[start : start + length])
    path.write_bytes(out)
    return path


def _samples(data: bytes, tables: dict[bytes, bytes], sizes: Sequence[int]) -> list[bytes]:
    chunks = struct.unpack_from(">I", tables[b"stco"], 4)[0]
    offsets = struct.unpack_from(f">{chunks}I", tables[b"stco"], 8)
    runs = struct.unpack_from(">I", tables[b"stsc"], 4)[0]
    firsts = [struct.unpack_from(">III", tables[b"stsc"], 8 + 12 * run)[:2] for run in range(runs)]
    found: list[bytes] = []
    for chunk, offset in enumerate(offsets, 1):
        per_chunk = [count for first, count in firsts if first <= chunk][-1]
        for _ in range(per_chunk):
            size = sizes[len(found)]
            found.append(data[offset : offset + size])
            offset += size
    return found


def _fragment(number: int, time: int, samples: Sequence[bytes]) -> bytes:
    def index(offset: int) -> Box:
        # Flags: the data's offset counts from this box; its first sample is a key frame.
        lengths = b"".join(struct.pack(">I", len(each)) for each in samples)
        run = struct.pack(">IIiI", 0x205, len(samples), offset, 0x2000000) + lengths
        return Box(
            b"moof",
            boxes=[
                Box(b"mfhd", struct.pack(">II", 0, number + 1)),
                Box(
                    b"traf",
                    boxes=[
                        Box(b"tfhd", struct.pack(">II", 0x20000, 1)),
                        Box(b"tfdt", struct.pack(">II", 0, time)),
                        Box(b"trun", run),
                    ],
                ),
            ],
        )

    length = len(index(0).bytes())
    return index(length + 8).bytes() + Box(b"mdat", b"".join(samples)).bytes()
