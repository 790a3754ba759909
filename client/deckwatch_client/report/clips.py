"""What was seen in videos that do not say when they were taken, by the time since their start."""

from __future__ import annotations

from collections import defaultdict

from deckwatch_client.report.times import MOST_BINS, Seen

# Seconds of the bins that are kept, and of those that are shown: round, to be found in a player.
KEPT_S = 5
STEPS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


class Clips:
    """Counts by video and time since its start."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.videos: dict[str, dict[int, Seen]] = defaultdict(dict)

    def frame(self, video: str, time_s: float) -> None:
        """A frame was looked at."""
        self._bin(video, time_s).pictures += 1

    def animal(self, video: str, time_s: float, place: int) -> None:
        """An animal of the class at this place of the class order was seen."""
        self._bin(video, time_s).animals[place] += 1

    def totals(self) -> list[tuple[str, Seen]]:
        """All that was seen in each video, in alphabetical order."""
        found = []
        for video in sorted(self.videos):
            total = Seen(0, [0] * self._classes)
            for seen in self.videos[video].values():
                total.add(seen)
            found.append((video, total))
        return found

    def binned(self, video: str) -> tuple[int, list[Seen]]:
        """Seconds in a bin, and the bins from the video's start to its last frame."""
        kept = self.videos[video]
        last_s = max(kept) * KEPT_S
        longer = STEPS_S[-1] * (last_s // STEPS_S[-1] // MOST_BINS + 1)
        step_s = next((step for step in STEPS_S if last_s // step < MOST_BINS), longer)
        found = [Seen(0, [0] * self._classes) for _ in range(last_s // step_s + 1)]
        for place, seen in kept.items():
            found[place * KEPT_S // step_s].add(seen)
        return step_s, found

    def _bin(self, video: str, time_s: float) -> Seen:
        place = max(0, int(time_s // KEPT_S))
        return self.videos[video].setdefault(place, Seen(0, [0] * self._classes))
