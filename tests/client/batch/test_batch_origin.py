"""Where and when, from a path: patterns, defaults, and what is refused."""

from __future__ import annotations

import pickle

import pytest

from deckwatch_client.batch.origin import Origins
from deckwatch_client.records import Moment, Origin, Record, frame_name
from deckwatch_vision.errors import UsageError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/20260505_073000.jpg", "2026-05-05T07:30:00"),
        ("IMG_20260505_073000_2.jpg", "2026-05-05T07:30:00"),
        ("deck-2_2026-05-05T07-30-09.jpg", "2026-05-05T07:30:09"),
        ("2026-05-05 07:30:09Z.jpg", "2026-05-05T07:30:09Z"),
        ("2026-05-05T07:30:09-10:00.jpg", "2026-05-05T07:30:09-10:00"),
        ("2026.05.05-07.30.09.png", "2026-05-05T07:30:09"),
        ("20260505073009.jpg", "2026-05-05T07:30:09"),
        ("cam1-2026_05_05_07h30m09.jpg", "2026-05-05T07:30:09"),
        # The last one counts: the folder tells when the trip began.
        ("2026-05-01_00-00-00/20260505_073000.jpg", "2026-05-05T07:30:00"),
        ("20261305_073000.jpg", None),  # no such month
        ("20260231_073000.jpg", None),  # no such day
        ("120260505073009.jpg", None),  # a longer number
        ("1714894200123.jpg", None),
        ("DSC_0001.jpg", None),
        ("2026-0505_073000.jpg", None),
    ],
)
def test_times_as_cameras_write_them(name: str, expected: str | None) -> None:
    assert Origins().time(name) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("%d.%m.%Y %H:%M:%S", "haul 05.06.2026 07:30:09.jpg", "2026-06-05T07:30:09"),
        ("%Y-%m-%d/%H-%M-%S", "deck/2026-05-05/07-30-09.jpg", "2026-05-05T07:30:09"),
        ("%Y-%m-%d/*_%H%M", "deck/2026-05-05/cam2_0730.jpg", "2026-05-05T07:30:00"),
        ("%y%j-%H%M%S", "26125-073009.jpg", "2026-05-05T07:30:09"),
        ("%s", "1777966209.jpg", "2026-05-05T07:30:09Z"),
        ("%s", "1777966209123.jpg", None),
        ("%Y%m%dT%H%M%S%z", "20260505T073009+0200.jpg", "2026-05-05T07:30:09+02:00"),
        ("%Y%m%d", "20260505.jpg", "2026-05-05T00:00:00"),
    ],
)
def test_patterns_for_times(pattern: str, name: str, expected: str | None) -> None:
    assert Origins(times=(pattern,)).time(name) == expected


def test_the_first_pattern_that_fits_counts() -> None:
    origins = Origins(times=("%d-%m-%Y", "%Y%m%d"))
    assert origins.time("05-06-2026_20200101.jpg") == "2026-06-05T00:00:00"
    assert origins.time("x_20200101.jpg") == "2020-01-01T00:00:00"


@pytest.mark.parametrize(
    ("pattern", "name", "place"),
    [
        ("{vessel}/{camera}/*", "data/2026/maria/deck-2/a.jpg", ("deck-2", "maria")),
        ("{camera}/*", "deck-2/a.jpg", ("deck-2", None)),
        ("{camera}/*", "a.jpg", (None, None)),
        ("{camera}_*.jpg", "x/cam1_0001.jpg", ("cam1", None)),
        ("{vessel}-{camera}-*", "x/maria-deck-0001.jpg", ("deck", "maria")),
        ("{camera}/**/*", "deck/2026/05/a.jpg", ("deck", None)),
        ("s/{camera}/**/*", "s/deck/2026/05/a.jpg", ("deck", None)),
        ("s/{camera}/**/*", "s/deck/a.jpg", ("deck", None)),
        ("{camera}/??.jpg", "deck/ab.jpg", ("deck", None)),
        ("{camera}/??.jpg", "deck/abc.jpg", (None, None)),
    ],
)
def test_cameras_from_paths(pattern: str, name: str, place: tuple[str | None, str | None]) -> None:
    assert Origins(camera_from=pattern).place(name) == place


def test_what_the_path_does_not_tell_is_what_was_given() -> None:
    origins = Origins(camera="deck", vessel="maria", camera_from="{camera}/*")
    assert origins.place("stern/a.jpg") == ("stern", "maria")
    assert origins.place("a.jpg") == ("deck", "maria")


def test_a_record_is_completed_and_exif_stays() -> None:
    origins = Origins(camera_from="{camera}/*")
    record = Record("deck/20260505_073000.jpg", origin=Origin(captured_at="2026-05-04T01:02:03"))
    assert origins.complete(record).origin == Origin("deck", None, "2026-05-04T01:02:03")
    without = Record("deck/20260505_073000.jpg")
    assert origins.complete(without).origin == Origin("deck", None, "2026-05-05T07:30:00")
    nothing = Record("a.jpg")
    assert origins.complete(nothing) is nothing


@pytest.mark.parametrize(
    ("start", "time_s", "expected"),
    [
        ("20260505_235950", 12.0, "2026-05-06T00:00:02"),
        ("20260505_235950", 0.48, "2026-05-05T23:59:50.480"),
        ("2026-05-05T23:59:50Z", 1.0, "2026-05-05T23:59:51Z"),
    ],
)
def test_a_frame_is_as_much_later_as_it_is_into_the_video(
    start: str, time_s: float, expected: str
) -> None:
    video = f"deck/{start}.mp4"
    record = Record(frame_name(video, time_s), moment=Moment(video, time_s, 3))
    assert Origins(camera_from="{camera}/*").complete(record).origin == Origin(
        "deck", None, expected
    )


def test_a_stream_has_no_time_in_its_address() -> None:
    url = "rtsp://host/20260505_073000"
    record = Record(frame_name(url, 1.0), moment=Moment(url, 1.0, 3))
    assert Origins().complete(record) is record


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"camera_from": "deck/*"}, "names no camera"),
        ({"camera_from": "{camera}/{camera}"}, "stands there twice or is unknown"),
        ({"camera_from": "{ship}/*"}, r"\{ship\} stands there twice or is unknown"),
        ({"times": ("%Y%q",)}, "%q stands there twice or is unknown"),
        ({"times": ("%Y%Y%m%d",)}, "%Y stands there twice"),
        ({"times": ("%H%M%S",)}, "gives no date"),
        ({"times": ("%Y-%m",)}, "gives no date"),
    ],
)
def test_patterns_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Origins(**options)  # type: ignore[arg-type]


def test_it_goes_to_workers_as_it_is() -> None:
    origins = Origins("deck", None, "{camera}/*", ("%Y%m%d",))
    assert pickle.loads(pickle.dumps(origins)) == origins
