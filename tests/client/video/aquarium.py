"""Videos with a known number of fish: cut-outs of photographs that swim through blurred water.

python -m tests.client.video.aquarium          # how well counting does: the table of docs/video.md
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_client.local import LocalBackend
from deckwatch_client.records import Record
from deckwatch_client.video.count import Counted, count
from deckwatch_client.video.follow import follow
from deckwatch_client.video.frames import Frame, sample
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.images import decode, encode_jpeg
from tests.client.video.videos import Pixels, write_video

PHOTOS = Path(__file__).resolve().parents[3] / "examples" / "photos"
HEIGHT, WIDTH, FPS = 480, 640, 10
# Photograph, species, and where in it the fish is: x1 y1 x2 y2.
CUTOUTS = (
    ("hammerhead.jpg", "SHARK", (145, 284, 434, 420)),
    ("ray.jpg", "RAY", (154, 371, 402, 493)),
    ("bannerfish.jpg", "OTHER", (206, 222, 356, 346)),
    ("surgeonfish.jpg", "OTHER", (304, 203, 390, 271)),
)


@dataclass(frozen=True)
class Swimmer:
    """One fish: its cut-out, and where it is at a time."""

    species: str
    pixels: Pixels
    mask: NDArray[np.float32]
    start_s: float
    speed: float  # pixels a second, negative to the left
    height: float
    swing: float

    def place(self, time_s: float) -> tuple[int, int]:
        """Left and top."""
        gone = (time_s - self.start_s) * self.speed
        width = self.pixels.shape[1]
        left = gone - width if self.speed > 0 else WIDTH + gone
        return round(left), round(self.height + self.swing * np.sin(time_s * 1.5))


def swimmers(seed: int, seconds: float) -> list[Swimmer]:
    """Six fish that each cross the picture once; some swim past one another."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(6):
        photo, species, (x1, y1, x2, y2) = CUTOUTS[number % len(CUTOUTS)]
        picture = decode((PHOTOS / photo).read_bytes())
        pixels = picture[y1 - 8 : y2 + 8, x1 - 8 : x2 + 8]
        small = cv2.resize(pixels, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        forward = bool(random.integers(2))
        pixels = np.asarray(small if forward else small[:, ::-1], np.uint8)
        rows, columns = (np.linspace(-1, 1, side) for side in pixels.shape[:2])
        # A soft oval: full in the middle, nothing at the corners.
        far = np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)
        mask = np.clip((1.25 - far) / 0.3, 0, 1).astype(np.float32)[..., None]
        speed = float(random.uniform(60, 110)) * (1 if forward else -1)
        top = float(random.uniform(20, HEIGHT - pixels.shape[0] - 20))
        start = float(random.uniform(0, seconds * 0.6))
        found.append(Swimmer(species, pixels, mask, start, speed, top, 12.0))
    return found


def frames(fish: list[Swimmer], seconds: float, seed: int) -> Iterator[Pixels]:
    """The pictures of the video, with the noise of a camera."""
    random = np.random.default_rng(seed)
    photo = cv2.resize(decode((PHOTOS / "shark.jpg").read_bytes()), (WIDTH, HEIGHT))
    water = cv2.GaussianBlur(photo, (0, 0), 60).astype(np.float32)
    for number in range(round(seconds * FPS)):
        picture = water + random.normal(0, 3, water.shape).astype(np.float32)
        for each in fish:
            left, top = each.place(number / FPS)
            height, width = each.pixels.shape[:2]
            here = slice(max(0, left), max(0, min(WIDTH, left + width)))
            if here.start >= here.stop:
                continue
            cut = slice(here.start - left, here.stop - left)
            rows = slice(top, top + height)
            mask = each.mask[:, cut]
            picture[rows, here] = picture[rows, here] * (1 - mask) + each.pixels[:, cut] * mask
        yield np.clip(picture, 0, 255).astype(np.uint8)


def recognised(video: Path, rate_hz: float) -> list[Record]:
    """What the demo release finds, frame by frame."""
    backend = LocalBackend(PHOTOS.parents[1] / "model_repository")
    found = []
    for taken in sample(str(video), VideoOptions(rate_hz=rate_hz), after=None):
        if isinstance(taken, Frame):
            result = backend.infer(encode_jpeg(taken.pixels, quality=95))
            found.append(Record(taken.name, result, moment=taken.moment, looks=taken.looks))
    return found


def counted(records: list[Record], rate_hz: float, every: int = 1, minimum: int = 2) -> Counted:
    """Distinct fish of one video, of which only each so-many-th sample is looked at."""
    followed = follow(iter(records[::every]), VideoOptions(rate_hz=rate_hz / every))
    return next(iter(count(followed, minimum=minimum).values()))


def main(videos: int = 5, seconds: float = 20.0, rate_hz: float = 10.0) -> int:
    """Print how many fish are counted at several rates, beside the truth of 6 a video."""
    print("| samples a second | seen once or more | seen twice or more | three times or more |")
    print("|---|---|---|---|")
    sums: dict[tuple[int, int], list[int]] = {}
    species: dict[str, float] = {}
    for seed in range(videos):
        fish = swimmers(seed, seconds)
        with tempfile.TemporaryDirectory() as folder:
            path = write_video(Path(folder, "a.mp4"), frames(fish, seconds, seed), fps=FPS)
            records = recognised(path, rate_hz)
        for every in (1, 2, 5, 10):
            for minimum in (1, 2, 3):
                found = counted(records, rate_hz, every, minimum)
                sums.setdefault((every, minimum), []).append(found.tracks)
                if (every, minimum) == (2, 2):
                    for code, value in found.expected.items():
                        species[code] = species.get(code, 0.0) + value
    for every in (1, 2, 5, 10):
        cells = (sums[every, minimum] for minimum in (1, 2, 3))
        told = " | ".join(f"{np.mean(each):.1f} ({min(each)} to {max(each)})" for each in cells)
        print(f"| {rate_hz / every:g} | {told} |")
    print({code: round(value, 1) for code, value in species.items()}, "at 5 a second, of", videos)
    return 0


if __name__ == "__main__":
    sys.exit(main())
