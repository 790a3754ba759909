"""What was seen in videos that do not say when they were taken, minute by minute of each."""

from __future__ import annotations

from collections import defaultdict

from deckwatch_client.report.times import MOST_BINS, Seen

# Minutes of a bin: round numbers, so that its start can be found in a player.
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)


class Clips:
    """Counts by video and minute since its start."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.videos: dict[str, dict[int, Seen]] = defaultdict(dict)

    def frame(self, video: str, time_s: float) -> None:
        """A frame was looked at."""
        self._bin(video, time_s).pictures += 1

    def animal(self, video: str, time_s: float, place: int) -> None:
        """An animal of the class at this place of the class order was seen."""
        self._bin(video, time_s).animals[place] += 1

    def binned(self, video: str) -> tuple[int, list[Seen]]:
        """Minutes in a bin, and the bins from the video's start to its last frame."""
        minutes = self.videos[video]
        last = max(minutes)
        step = next((step for step in STEPS if last // step < MOST_BINS), last // MOST_BINS + 1)
        found = [Seen(0, [0] * self._classes) for _ in range(last // step + 1)]
        for minute, seen in minutes.items():
            found[minute // step].add(seen)
        return step, found

    def _bin(self, video: str, time_s: float) -> Seen:
        minute = max(0, int(time_s // 60))
        return self.videos[video].setdefault(minute, Seen(0, [0] * self._classes))
