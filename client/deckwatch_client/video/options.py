"""What is taken from a video, and what is made of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from deckwatch_vision.errors import UsageError


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How a video is sampled and followed.

    rate_hz: frames taken a second of the video's own time; more than it has gives all of them.
    scene_change: of these frames take only those in which at least this share of the picture, 0 to
        1, differs from the last one taken (see `scenes`); None takes all.
    seconds: stop after so much of the video's time; for a live stream, of the clock's.
    track: follow fish from frame to frame.
    average: average likelihoods over near-identical frames and over a followed fish.
    annotate: write a copy of the video with boxes, labels and times.

    Raises:
        UsageError: a number is out of its range; the message names the option.
    """

    rate_hz: float = 1.0
    scene_change: float | None = None
    seconds: float | None = None
    track: bool = True
    average: bool = True
    annotate: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_hz) and 0 < self.rate_hz <= 1000):
            raise UsageError(
                f"{self.rate_hz} frames a second cannot be taken. Give a rate above 0 and up to "
                "1000; 1 is one frame a second."
            )
        if self.scene_change is not None and not 0 < self.scene_change <= 1:
            raise UsageError(
                f"a scene change of {self.scene_change} is no share of the picture. Give a number "
                "above 0 and up to 1; 0.02 is two hundredths."
            )
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise UsageError(f"{self.seconds} seconds of video are none. Give more than 0.")

    def as_dict(self) -> dict[str, Any]:
        """JSON values by name, for run.json."""
        return asdict(self)
