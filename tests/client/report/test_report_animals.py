"""What counts as one animal, and the lists of the best."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from deckwatch_client.records import Failure, Record
from deckwatch_client.report.animals import Animal, Animals
from deckwatch_client.report.shortlist import Shortlist
from deckwatch_vision.species import DEMO
from tests.client.report.runs import fish, frame, record


def animals(*records: Record) -> list[Animal]:
    gather = Animals(DEMO.codes)
    return [*(one for each in records for one in gather.of(each)), *gather.rest()]


def test_in_photographs_every_fish_is_one() -> None:
    found = animals(record("a.jpg", fish("SHARK"), fish("OTHER")), record("b.jpg", fish("SHARK")))
    assert [one.label for one in found] == ["SHARK", "OTHER", "SHARK"]
    assert {one.frames for one in found} == {0}


def test_a_followed_fish_is_one_with_its_mean_likelihoods() -> None:
    found = animals(
        frame("v.mp4", 0.0, fish({"SHARK": 0.6, "OTHER": 0.4}, score=0.5), tracks=[1], at="first"),
        frame("v.mp4", 1.0, fish({"SHARK": 0.1, "OTHER": 0.8}, score=0.8), tracks=[1], at="second"),
        frame("v.mp4", 2.0, fish({"SHARK": 0.2, "OTHER": 0.8}, score=0.7), tracks=[1], at="third"),
    )
    (one,) = found
    assert (one.label, one.frames) == ("OTHER", 3)
    assert dict(zip(DEMO.codes, one.likelihoods, strict=True)) == pytest.approx(
        {"NoF": 0.1 / 3, "OTHER": 2 / 3, "SHARK": 0.3, "RAY": 0}
    )
    assert one.best.record.name == "v.mp4#t=000001.000"  # where its score is highest
    assert one.first.origin.captured_at == "first"


def test_the_doubt_of_the_score_goes_to_no_fish() -> None:
    (one,) = animals(record("a.jpg", fish({"SHARK": 0.6, "OTHER": 0.3}, score=0.5)))
    assert dict(zip(DEMO.codes, one.chances, strict=True)) == pytest.approx(
        {"NoF": 0.55, "OTHER": 0.15, "SHARK": 0.3, "RAY": 0}
    )


def test_a_followed_fish_has_its_mean_chances() -> None:
    (one,) = animals(
        frame("v.mp4", 0.0, fish({"SHARK": 0.6, "OTHER": 0.4}, score=0.5), tracks=[1]),
        frame("v.mp4", 1.0, fish({"SHARK": 1.0}, score=0.9), tracks=[1]),
    )
    assert dict(zip(DEMO.codes, one.chances, strict=True)) == pytest.approx(
        {"NoF": 0.3, "OTHER": 0.1, "SHARK": 0.6, "RAY": 0}
    )


def test_tracks_of_different_videos_are_different_fish() -> None:
    found = animals(
        frame("v.mp4", 0.0, fish("SHARK"), tracks=[1]),
        frame("w.mp4", 0.0, fish("SHARK"), tracks=[1]),
        record("x.jpg", fish("RAY")),
    )
    assert [one.label for one in found] == ["SHARK", "SHARK", "RAY"]


def test_a_lost_span_of_a_video_ends_no_track() -> None:
    lost = frame("v.mp4", 1.0)
    found = animals(
        frame("v.mp4", 0.0, fish("SHARK"), tracks=[1]),
        Record(lost.name, failure=Failure("broken-video", "lost"), moment=lost.moment),
        frame("v.mp4", 2.0, fish("SHARK"), tracks=[1]),
    )
    assert [one.frames for one in found] == [2]


def test_what_was_not_followed_counts_in_every_frame() -> None:
    found = animals(
        frame("v.mp4", 0.0, fish("SHARK"), fish("OTHER"), tracks=[None, 4]),
        frame("v.mp4", 1.0, fish("SHARK"), fish("OTHER"), tracks=[None, 4]),
    )
    assert sorted((one.label, one.frames) for one in found) == [
        ("OTHER", 2), ("SHARK", 0), ("SHARK", 0)
    ]  # fmt: skip


def test_an_animal_alone_keeps_no_other_fish() -> None:
    many = record("a.jpg", *(fish("OTHER") for _ in range(40)), static=(fish("RAY"),))
    alone = animals(many)[3].alone()
    assert alone.best.record.result is not None
    assert len(alone.best.record.result.fish) == 1
    assert alone.best.record.static == ()
    assert alone.first is alone.best.record


def test_a_shortlist_keeps_the_highest_and_of_equals_the_first() -> None:
    keys = [random.Random(5).choice(range(30)) / 10 for _ in range(400)]
    short: Shortlist[int] = Shortlist(7)
    made: list[int] = []

    def maker(place: int) -> Callable[[], int]:
        def make() -> int:
            made.append(place)
            return place

        return make

    for place, key in enumerate(keys):
        short.offer(key, maker(place))
    expected = sorted(enumerate(keys), key=lambda pair: (-pair[1], pair[0]))[:7]
    assert short.best() == [(key, place) for place, key in expected]
    assert short.seen == 400
    assert len(made) < 100  # what is not kept is not made


def test_a_shortlist_of_nothing_only_counts() -> None:
    short: Shortlist[str] = Shortlist(0)
    short.offer(1.0, lambda: "a")
    assert (short.best(), short.seen) == ([], 1)
