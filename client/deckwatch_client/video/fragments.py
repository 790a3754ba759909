"""A fragmented MP4 with holes: covered up, so that the rest can be read.

A recorder that writes fragmented MP4 puts an index (`moof`) before each piece of video (`mdat`).
FFmpeg gives the file up at the first index that is not there. A hole is covered by the header of a
box to be skipped, `free`, for nothing may move: indexes say where in the file their video is.
Boxes are those of ISO/IEC 14496-12: four bytes of length, four of type.
"""

from __future__ import annotations

import mmap
from pathlib import Path

# What stands at the top of such files, and nothing else.
KINDS = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"sidx", b"mfra", b"uuid"}
    | {b"prft", b"emsg", b"wide", b"pdin", b"meta"}
)
# Bytes of the header of a long box.
LENGTH = 16


def holes(path: str) -> list[tuple[int, int]] | None:
    """The byte ranges [start, end) that hold no whole box; None without a main index (`moov`)."""
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        found: list[tuple[int, int]] = []
        at = 0
        index_at: int | None = None  # of an index whose piece of video is still to come
        indexed = False
        while at < len(data):
            kind, size = _box(data, at)
            if kind in KINDS and at + size <= len(data) and _whole(data, at, kind, size):
                indexed = indexed or kind == b"moov"
                index_at = at if kind == b"moof" else None
                at += size
                continue
            end = _next_fragment(data, at + LENGTH)
            # An index without its video goes as well.
            found.append((at if index_at is None else index_at, end))
            at, index_at = end, None
        return found if indexed else None


def covered(path: str, ranges: list[tuple[int, int]], folder: str) -> str:
    """The URL under which FFmpeg reads the file with its holes covered; covers go to a folder."""
    pieces, at = [], 0
    # Such URLs leave some characters of a file's name no way to be themselves.
    video = Path(folder, "video")
    video.symlink_to(Path(path).absolute())
    for number, (start, end) in enumerate(ranges):
        cover = Path(folder, str(number))
        # Length 1: the true one follows, in eight bytes.
        cover.write_bytes((1).to_bytes(4, "big") + b"free" + (end - start).to_bytes(8, "big"))
        pieces += [_piece(video, at, start), f"file:{cover}"]
        at = start + LENGTH
    return "concat:" + "|".join([*pieces, _piece(video, at, video.stat().st_size)])


def _piece(path: Path, start: int, end: int) -> str:
    return f"subfile,,start,{start},end,{end},,:file:{path}"


def _box(data: mmap.mmap, at: int) -> tuple[bytes, int]:
    """The type of the box at a position, and its length with its header; 0 bytes are no box."""
    size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
    if size == 1:  # a long box: its length follows the type
        size = int.from_bytes(data[at + 8 : at + 16], "big")
    elif size == 0 and kind == b"mdat":  # up to the end of the file
        size = len(data) - at
    return (kind, size) if size >= 8 else (b"", 0)


def _whole(data: mmap.mmap, at: int, kind: bytes, size: int) -> bool:
    """Whether the boxes within an index fill it exactly; of others nothing is asked."""
    if kind not in (b"moof", b"traf"):
        return True
    inner, end = at + 8, at + size
    while inner < end:
        kind, size = _box(data, inner)
        if not size or not _whole(data, inner, kind, size):
            return False
        inner += size
    return inner == end


def _next_fragment(data: mmap.mmap, after: int) -> int:
    """Where the next `moof` that leads to another box stands; the file's end without one."""
    while (found := data.find(b"moof", after)) >= 0:
        at = found - 4
        kind, size = _box(data, at)
        if kind == b"moof" and _whole(data, at, kind, size) and _box(data, at + size)[0] in KINDS:
            return at
        after = found + 1
    return len(data)
