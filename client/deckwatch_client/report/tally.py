"""What a report tells of a run, gathered in one pass and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from deckwatch_client.records import Failure, Record
from deckwatch_client.report.animals import Animal, Animals, Sight
from deckwatch_client.report.clips import Clips
from deckwatch_client.report.expected import Expected, ExpectedCounts
from deckwatch_client.report.shortlist import Shortlist
from deckwatch_client.report.times import Times
from deckwatch_client.run_info import RunInfo
from deckwatch_client.video.count import MINIMUM
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import ReleaseInfo, Result

UNKNOWN_CAMERA = "camera not known"

# Rows of a table of pictures, beyond which they are only counted; the lists of all sensitive
# species together hold no more than SENSITIVE_ROWS.
ROWS, SENSITIVE_ROWS = 1000, 10_000
# The two likeliest classes of a picture closer than this: the model is unsure.
MARGIN = 0.2
SUSPECT = 0.1


@dataclass(slots=True)
class Failed:
    """The failures of one code: their number, and the first ROWS of them."""

    number: int = 0
    first: list[tuple[str, Failure]] = field(default_factory=list)


@dataclass(slots=True)
class Suspects:
    """Animals that are, or may be, of one sensitive species; keys are its likelihood."""

    called: Shortlist[Animal]
    otherwise: Shortlist[Animal]


class Tally:
    """Counts and shortlists of a run.

    Args:
        info: what the run was made with.
        shown: how many of each list are shown with pictures.
        suspect: likelihood of a sensitive species from which an animal called otherwise is listed.
    """

    def __init__(self, info: RunInfo, *, shown: int, suspect: float = SUSPECT) -> None:
        self.info, self.suspect = info, suspect
        self._place = {code: place for place, code in enumerate(info.codes)}
        self._animals = Animals(info.codes)
        self._expected = ExpectedCounts(len(info.codes))
        self.photographs = self.frames = self.without_fish = self.unsure_pictures = 0
        self.passing = 0
        self.videos: set[str] = set()
        self.releases: Counter[ReleaseInfo] = Counter()
        self.labels: Counter[str] = Counter()
        self.called: Counter[str] = Counter()
        self.followed: Counter[str] = Counter()
        self.times, self.clips = Times(len(info.codes)), Clips(len(info.codes))
        self.failures: dict[str, Failed] = {}
        codes = [one.code for one in info.species if one.sensitive]
        kept = shown + min(ROWS, SENSITIVE_ROWS // max(1, 2 * len(codes)))
        self.sensitive = {code: Suspects(Shortlist(kept), Shortlist(kept)) for code in codes}
        self.unsure: Shortlist[Record] = Shortlist(shown)
        self._unsure_frame: tuple[tuple[str, int], float, Record] | None = None
        self.static: Counter[str] = Counter()
        self.static_examples: Shortlist[Sight] = Shortlist(shown)

    @property
    def pictures(self) -> int:
        """Photographs and frames that were recognised."""
        return self.photographs + self.frames

    @property
    def failed(self) -> int:
        """Photographs, frames and spans of video that were not."""
        return sum(one.number for one in self.failures.values())

    @property
    def animals(self) -> int:
        """Animals found, of whatever species."""
        return self.called.total()

    def expected(self) -> dict[str, Expected]:
        """By class code: how many of the animals found are of it."""
        return dict(zip(self.info.codes, self._expected.expected(), strict=True))

    def take(self, records: Iterable[Record]) -> None:
        """Gather from all records of the run.

        Raises:
            UsageError: a record is of a release with other classes.
        """
        for record in records:
            self._record(record)
        for animal in self._animals.rest():
            self._animal(animal)
        self._settle_frame(None)

    def _record(self, record: Record) -> None:
        if record.moment:
            self.videos.add(record.moment.video)
        if record.failure is not None:
            failed = self.failures.setdefault(record.failure.code, Failed())
            failed.number += 1
            if len(failed.first) < ROWS:
                failed.first.append((record.name, record.failure))
        if record.result is not None:
            self._recognised(record, record.result)
        for animal in self._animals.of(record):
            self._animal(animal)

    def _recognised(self, record: Record, result: Result) -> None:
        if not result.likelihoods:
            raise UsageError(
                f"{record.name} carries no likelihoods: the format that it was read from has none. "
                "Make the report from results.jsonl, csv or parquet."
            )
        strange = {fish.label for fish in result.fish} - self._place.keys()
        if result.likelihoods.keys() != self._place.keys() or strange:
            raise UsageError(
                f"{record.name} was recognised with the classes {', '.join(result.likelihoods)}, "
                f"the run's are {', '.join(self._place)}. A report is about one release: recognise "
                "all pictures with it, or keep the results apart."
            )
        self.releases[result.release] += 1
        self.labels[result.label] += 1
        self.without_fish += not result.fish
        at = record.origin.time
        self.times.picture(camera_of(record), at)
        if record.moment is None:
            self.photographs += 1
        else:
            self.frames += 1
            if at is None:
                self.clips.frame(record.moment.video, record.moment.time_s)
        self._unsure(record, result)
        for fish in record.static:
            self.static[camera_of(record)] += 1
            self.static_examples.offer(fish.score, Sight(record, fish).alone)

    def _animal(self, animal: Animal) -> None:
        self.called[animal.label] += 1
        self.followed[animal.label] += animal.frames >= MINIMUM
        self.passing += 0 < animal.frames < MINIMUM
        self._expected.add(animal.chances)
        first, place = animal.first, self._place[animal.label]
        at = first.origin.time
        self.times.animal(camera_of(first), at, place)
        if first.moment and at is None:
            self.clips.animal(first.moment.video, first.moment.time_s, place)
        for code, suspects in self.sensitive.items():
            likelihood = animal.likelihoods[self._place[code]]
            if animal.label == code:
                suspects.called.offer(likelihood, animal.alone)
            elif likelihood >= self.suspect:
                suspects.otherwise.offer(likelihood, animal.alone)

    def _unsure(self, record: Record, result: Result) -> None:
        first, second, *_ = [likelihood for _, likelihood in result.ranked()] + [0.0, 0.0]
        if (margin := first - second) >= MARGIN:
            return
        self.unsure_pictures += 1
        if record.moment is None:
            self.unsure.offer(-margin, lambda: record)
            return
        # Of a minute of video one frame: the others look like it.
        minute = (record.moment.video, int(record.moment.time_s // 60))
        self._settle_frame(minute)
        if self._unsure_frame is None or margin < self._unsure_frame[1]:
            self._unsure_frame = (minute, margin, record)

    def _settle_frame(self, minute: tuple[str, int] | None) -> None:
        """Offer the frame of the minute that is over."""
        if self._unsure_frame is not None and self._unsure_frame[0] != minute:
            _, margin, record = self._unsure_frame
            self.unsure.offer(-margin, lambda: record)
            self._unsure_frame = None


def camera_of(record: Record) -> str:
    """The camera's name, with the vessel's before it where it is known."""
    origin = record.origin
    return ", ".join(part for part in (origin.vessel, origin.camera) if part) or UNKNOWN_CAMERA
