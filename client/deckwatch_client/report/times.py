"""When animals were seen, camera by camera, in bins from an hour to a year.

Times are taken as the cameras wrote them, whatever their zone: a fisher's day is the ship's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A camera's bars; more could not be told apart on a phone.
MOST_BINS = 120

# Without a picture for so long, a new chart begins.
GAP = timedelta(days=300)


@dataclass(slots=True)
class Seen:
    """What was seen in one bin: pictures, and animals by class, in class order."""

    pictures: int
    animals: list[int]

    def add(self, other: Seen) -> None:
        """Add another bin's."""
        self.pictures += other.pictures
        self.animals = [one + more for one, more in zip(self.animals, other.animals, strict=True)]


@dataclass(slots=True)
class Camera:
    """One camera: pictures without a time, their animals, and what was seen hour by hour.

    `first` and `last` are the times of its first and last picture, without their zone.
    """

    untimed: Seen
    first: datetime | None = None
    last: datetime | None = None
    hours: dict[datetime, Seen] = field(default_factory=dict)


class Times:
    """Counts by camera and hour, so a run of any length takes the memory of its hours."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._cameras: dict[str, Camera] = defaultdict(self._camera)
        self.zoned = self.unzoned = 0

    @property
    def cameras(self) -> dict[str, Camera]:
        """By name, in alphabetical order."""
        return dict(sorted(self._cameras.items()))

    def picture(self, camera: str, moment: datetime | None) -> None:
        """A picture was looked at, taken then."""
        self._bin(camera, moment).pictures += 1
        if moment is not None:
            self.zoned += moment.tzinfo is not None
            self.unzoned += moment.tzinfo is None
            found, moment = self._cameras[camera], moment.replace(tzinfo=None)
            found.first = min(found.first or moment, moment)
            found.last = max(found.last or moment, moment)

    def animal(self, camera: str, moment: datetime | None, place: int) -> None:
        """An animal of the class at this place of the class order was seen then."""
        self._bin(camera, moment).animals[place] += 1

    def periods(self) -> list[tuple[datetime, datetime]]:
        """First and last hours between which there are no GAP; in order.

        Seasons stand apart, and so does what a camera took with its clock reset to 1970.
        """
        found: list[tuple[datetime, datetime]] = []
        for hour in sorted({hour for camera in self._cameras.values() for hour in camera.hours}):
            if found and hour - found[-1][1] <= GAP:
                found[-1] = found[-1][0], hour
            else:
                found.append((hour, hour))
        return found

    def _camera(self) -> Camera:
        return Camera(self._seen())

    def _seen(self) -> Seen:
        return Seen(0, [0] * self._classes)

    def _bin(self, camera: str, moment: datetime | None) -> Seen:
        found = self._cameras[camera]
        if moment is None:
            return found.untimed
        hour = moment.replace(minute=0, second=0, microsecond=0, tzinfo=None)
        if hour not in found.hours:
            found.hours[hour] = self._seen()
        return found.hours[hour]


@dataclass(frozen=True, slots=True)
class Unit:
    """A bin's length: how a time is floored to it, and the next bin.

    `form` is how a bin's start is written, `brief` how below a narrow drawing.
    """

    name: str
    floor: Callable[[datetime], datetime]
    after: Callable[[datetime], datetime]
    form: str
    brief: str

    def bins(self, first: datetime, last: datetime) -> list[datetime]:
        """The starts of all bins from that of `first` to that of `last`."""
        found = [self.floor(first)]
        while found[-1] < self.floor(last) and len(found) <= MOST_BINS:
            try:
                found.append(self.after(found[-1]))
            except (ValueError, OverflowError):  # the end of the calendar
                break
        return found


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0)


def _monday(moment: datetime) -> datetime:
    return _midnight(moment) - timedelta(days=min(moment.weekday(), moment.toordinal() - 1))


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0)


def _next_month(moment: datetime) -> datetime:
    return _month(moment + timedelta(days=31))


def _year(moment: datetime) -> datetime:
    return moment.replace(month=1, day=1, hour=0)


def _century(moment: datetime) -> datetime:
    return _year(moment).replace(year=max(1, moment.year // 100 * 100))


UNITS = (
    Unit(
        "hour",
        lambda moment: moment,
        lambda at: at + timedelta(hours=1),
        "%Y-%m-%d %H:00",
        "%m-%d %H:00",
    ),
    Unit("day", _midnight, lambda at: at + timedelta(days=1), "%Y-%m-%d", "%Y-%m-%d"),
    Unit("week", _monday, lambda at: at + timedelta(days=7), "%Y-%m-%d", "%Y-%m-%d"),
    Unit("month", _month, _next_month, "%Y-%m", "%Y-%m"),
    Unit("year", _year, lambda at: at.replace(year=at.year + 1), "%Y", "%Y"),
    # Only for clocks gone wild: the report must not stop at them.
    Unit("century", _century, lambda at: at.replace(year=at.year // 100 * 100 + 100), "%Y", "%Y"),
)


def unit_for(first: datetime, last: datetime) -> Unit:
    """The shortest unit with which the span has at most MOST_BINS bins."""
    fitting = (unit for unit in UNITS if len(unit.bins(first, last)) <= MOST_BINS)
    return next(fitting, UNITS[-1])


def binned(camera: Camera, unit: Unit, bins: Sequence[datetime]) -> list[Seen]:
    """What the camera saw in each of the bins."""
    classes = len(camera.untimed.animals)
    found = {start: Seen(0, [0] * classes) for start in bins}
    for hour, seen in camera.hours.items():
        if (start := unit.floor(hour)) in found:
            found[start].add(seen)
    return list(found.values())
