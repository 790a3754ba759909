"""The timeline: periods, bins, and what falls into them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from deckwatch_client.records import Origin
from deckwatch_client.report import charts
from deckwatch_client.report.clips import Clips
from deckwatch_client.report.times import MOST_BINS, UNITS, Times, unit_for

START = datetime(2026, 5, 5, 7)


def times_of(*given: str | None, camera: str = "deck") -> Times:
    times = Times(2)
    for at in given:
        taken = Origin(captured_at=at).time
        times.picture(camera, taken)
        times.animal(camera, taken, 1)
    return times


@pytest.mark.parametrize(
    ("days", "unit"),
    [(0, "hour"), (4.875, "hour"), (6, "day"), (100, "day"), (200, "week"), (900, "month"),
     (5000, "year"), (365 * 130, "century")],
)  # fmt: skip
def test_the_unit_is_the_shortest_that_fits(days: float, unit: str) -> None:
    last = START + timedelta(days=days)
    found = unit_for(START, last)
    assert found.name == unit
    bins = found.bins(START, last)
    assert len(bins) <= MOST_BINS
    assert bins[0] <= START
    assert found.floor(last) in bins


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
@pytest.mark.parametrize(
    "moment", [datetime.min, datetime(2024, 2, 29, 23), datetime(9999, 12, 31, 23)]
)
def test_no_time_is_too_strange_for_a_unit(unit: object, moment: datetime) -> None:
    assert unit.floor(moment) <= moment  # type: ignore[attr-defined]
    assert unit.bins(moment, moment) == [unit.floor(moment)]  # type: ignore[attr-defined]


def test_every_picture_and_animal_is_in_one_bin() -> None:
    given = [(START + timedelta(hours=n * n)).isoformat() for n in range(40)]
    times = times_of(*given, None, "no time at all")
    (chart,) = charts.of_cameras(times)
    assert chart.each == "day"
    assert (chart.pictures, chart.animals, chart.of_class(1)) == (40, 40, 40)
    untimed = times.cameras["deck"].untimed
    assert (untimed.pictures, untimed.animals) == (2, [0, 2])
    first = next(place for place, seen in enumerate(chart.seen) if seen.pictures)
    assert chart.starts[first] == "2026-05-05"
    assert chart.seen[first].pictures == 5  # 7:00 and 1, 4, 9, 16 hours later


def test_a_reset_clock_stands_apart() -> None:
    times = times_of("1970-01-01T00:00:10", "2026-05-05T07:00:00", "2026-05-05T09:00:00")
    assert [chart.title for chart in charts.of_cameras(times)] == [
        "deck, 1970-01-01",
        "deck, 2026-05-05",
    ]
    assert len(list(charts.of_cameras(times))[1].seen) == 3


def test_cameras_of_a_period_share_its_axis() -> None:
    times = times_of("2026-05-05T07:00:00", "2026-05-05T12:00:00")
    times.picture("aft", Origin(captured_at="2026-05-05T08:00:00Z").time)
    aft, deck = charts.of_cameras(times)
    assert aft.starts == deck.starts
    assert [seen.pictures for seen in aft.seen] == [0, 1, 0, 0, 0, 0]
    assert (times.zoned, times.unzoned) == (1, 2)


def test_times_are_those_that_the_camera_wrote() -> None:
    times = times_of("2026-05-05T23:30:00-09:00")
    (chart,) = charts.of_cameras(times)
    assert chart.starts == ["2026-05-05 23:00"]
    assert times.cameras["deck"].first == datetime(2026, 5, 5, 23, 30)


def test_a_video_without_a_time_is_shown_by_its_own() -> None:
    clips = Clips(2)
    for second in range(0, 7200, 20):
        clips.frame("haul.mp4", second)
    clips.animal("haul.mp4", 3900.0, 1)
    (chart,) = charts.of_videos(clips)
    assert (chart.each, len(chart.seen)) == ("minute", 120)
    assert chart.pictures == 360
    assert chart.starts[65] == "1:05:00"
    assert chart.seen[65].animals == [0, 1]


@pytest.mark.parametrize(
    ("length_s", "each"),
    [(0, "5 seconds"), (42, "5 seconds"), (1000, "10 seconds"), (1e5, "15 minutes"),
     (4e5, "hour"), (1e9, "97 days")],
)  # fmt: skip
def test_bins_of_a_video_are_as_fine_as_fits(length_s: float, each: str) -> None:
    clips = Clips(1)
    clips.frame("v.mp4", 0)
    clips.frame("v.mp4", length_s)
    (chart,) = charts.of_videos(clips)
    assert len(chart.seen) <= MOST_BINS
    assert chart.pictures == 2
    assert chart.each == each
