"""A copy of a video with what was found in it: boxes, species, tracks and the time.

It is an MP4 with MPEG-4 Part 2 video ("mp4v"), which OpenCV's own FFmpeg writes: encoders of H.264
are under the GPL or patented, so none is at hand. Every player opens it; browsers do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from deckwatch_client.formats.places import place
from deckwatch_client.records import Record
from deckwatch_client.video import is_stream
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.reader import Decoder
from deckwatch_vision.boxes import draw
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# More than any video has: every frame is wanted.
_EVERY = VideoOptions(rate_hz=1000)
_FASTEST = 60.0
# Seconds for which the boxes of a sample stay when no other follows.
HOLD_S = 2.0
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def annotate(video: str, records: Iterable[Record], target: Path) -> None:
    """Write the annotated copy of a video file; it appears at `target` when it is whole.

    Every frame of the video is there. A box stays from its sample to the next one; that of a fish
    which was followed moves evenly to where it was found then. Lost spans show the last frame,
    darkened. The copy has a constant rate, whatever the video's is, and the video's times.

    Args:
        video: path of the file.
        records: those of its frames, sorted by time, as `follow` gives them; read as needed.
        target: path of the copy, ending in .mp4; an older copy is replaced.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: nothing of the video can be read.
        UsageError: it is a live stream, or the copy cannot be written.
    """
    if is_stream(video):
        raise UsageError("A live stream has no annotated copy: its frames are gone. Record it.")
    part = target.with_name(f".{target.stem}.part.mp4")
    copy = _Copy(part)
    samples = _Samples(records)
    try:
        for time_s, pixels, sound in _played(video, copy):
            copy.write(_drawn(pixels, samples.at(time_s) if sound else [], time_s, sound))
    except BaseException:
        copy.close()
        part.unlink(missing_ok=True)
        raise
    copy.close()
    try:
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"Cannot write {target}: {error.strerror}. Make room there.") from None


def copy_path(folder: Path, video: str) -> Path:
    """Where in a folder for copies that of a video lies."""
    return folder / f"{place(video)}.annotated.mp4"


class _Copy:
    """The file being written; opened by the first frame."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: cv2.VideoWriter | None = None
        self.fps = 25.0

    def write(self, pixels: Pixels) -> None:
        """Append a frame RGB [H,W,3]."""
        # The codec's blocks want even sides.
        height, width = (side // 2 * 2 for side in pixels.shape[:2])
        if self._writer is None:
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            size = (width, height)
            self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, fourcc, self.fps, size)
            if not self._writer.isOpened():
                raise UsageError(f"Cannot write {self._path}. Check that its folder is writable.")
        self._writer.write(cv2.cvtColor(pixels[:height, :width], cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()


def _played(video: str, copy: _Copy) -> Iterator[tuple[float, Pixels, bool]]:
    """The video at a constant rate: time, frame, and whether the frame is of that time."""
    with Decoder(video, options=_EVERY.as_dict(), after_s=None) as decoder:
        shown: Pixels | None = None
        tick, sound = 0, True
        while (answer := decoder.answer())[0]["kind"] != "end":
            told, pixels = answer
            if pixels is not None and shown is None:
                copy.fps = min(_FASTEST, max(1.0, 1 / float(told["interval_s"])))
            # Half a frame early counts as due, so that rounding neither drops nor doubles one.
            while shown is not None and (tick + 0.5) / copy.fps < float(told["time_s"]):
                yield tick / copy.fps, shown, sound
                tick += 1
            sound = pixels is not None
            shown = shown if pixels is None else pixels
        if shown is not None:
            yield tick / copy.fps, shown, sound


class _Samples:
    """What was found around a time, for times that rise."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = iter(records)
        self._now: Record | None = None
        self._next: Record | None = next(self._records, None)

    def at(self, time_s: float) -> list[tuple[Fish, int | None]]:
        """Fish where they are at this time, each with its track."""
        while self._next is not None and _time(self._next) <= time_s + 1e-3:
            self._now, self._next = self._next, next(self._records, None)
        if self._now is None or self._now.result is None:
            return []
        since = time_s - _time(self._now)
        found = list(_fish(self._now))
        if self._next is None:
            return found if since <= HOLD_S else []
        share = since / max(1e-3, _time(self._next) - _time(self._now))
        later = {track: fish for fish, track in _fish(self._next) if track is not None}
        return [
            (fish if track is None else _moved(fish, later.get(track), share), track)
            for fish, track in found
        ]


def _time(record: Record) -> float:
    return record.moment.time_s if record.moment else 0.0


def _fish(record: Record) -> Iterator[tuple[Fish, int | None]]:
    fish = record.result.fish if record.result else ()
    tracks: Sequence[int | None] = record.tracks or [None] * len(fish)
    yield from zip(fish, tracks, strict=True)


def _moved(fish: Fish, later: Fish | None, share: float) -> Fish:
    """The fish on its straight way to where it is found next."""
    if later is None:
        return fish
    x1, y1, x2, y2 = (
        now + share * (then - now) for now, then in zip(fish.box, later.box, strict=True)
    )
    return Fish((x1, y1, x2, y2), fish.score, fish.label, fish.likelihoods)


def _drawn(
    pixels: Pixels, fish: Sequence[tuple[Fish, int | None]], time_s: float, sound: bool
) -> Pixels:
    """The frame with boxes, captions and the time."""
    boxes = np.array([each.box for each, _ in fish], np.float32).reshape(-1, 4)
    shown = pixels if sound else np.asarray(pixels // 3, np.uint8)
    drawn = draw(shown, boxes, [_caption(*each) for each in fish])
    hours, rest = divmod(time_s, 3600)
    text = f"{hours:02.0f}:{rest // 60:02.0f}:{rest % 60:06.3f}"
    text = text if sound else f"{text} lost"
    scale = max(0.4, max(pixels.shape[:2]) / 1200)
    place = (round(10 * scale), pixels.shape[0] - round(12 * scale))
    for colour, width in ((_BLACK, 4), (_WHITE, 1)):  # an outline is legible on anything
        cv2.putText(
            drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour,
            max(1, round(width * scale)), cv2.LINE_AA,
        )  # fmt: skip
    return drawn


def _caption(fish: Fish, track: int | None) -> str:
    likelihood = fish.likelihoods.get(fish.label, 0.0)
    return f"{fish.label} {likelihood:.2f}" + ("" if track is None else f" #{track}")
