"""Fish followed from frame to frame, likelihoods averaged, distinct fish counted."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import pytest

from deckwatch_client.records import Failure, Moment, Record, frame_name
from deckwatch_client.video import tracks
from deckwatch_client.video.count import CAVEAT, count
from deckwatch_client.video.follow import follow
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.tracks import follow_boxes, generalised_iou
from deckwatch_vision.errors import MissingExtra
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result

VIDEO = "trip/haul.mp4"
Box = tuple[float, float, float, float]
SHARK = {"NoF": 0.05, "OTHER": 0.05, "SHARK": 0.8, "RAY": 0.1}
RAY = {"NoF": 0.1, "OTHER": 0.1, "SHARK": 0.2, "RAY": 0.6}
EMPTY = {"NoF": 0.9, "OTHER": 0.05, "SHARK": 0.03, "RAY": 0.02}


def box(left: float, top: float, width: float = 60, height: float = 30) -> Box:
    """A box by its corner and size."""
    return (left, top, left + width, top + height)


def record(
    time_s: float,
    fish: Sequence[tuple[Box, dict[str, float]]] = (),
    picture: dict[str, float] = EMPTY,
    looks: str | None = None,
) -> Record:
    """A frame's record."""
    found = tuple(
        Fish(where, 0.5 + time_s / 1000, max(what, key=lambda code: what[code]), what)
        for where, what in fish
    )
    name = frame_name(VIDEO, time_s)
    return Record(
        name,
        Result(
            max(picture, key=lambda code: picture[code]),
            picture,
            found,
            ImageInfo(name, 640, 480, None),
            ReleaseInfo("tiny", 1),
        ),
        moment=Moment(VIDEO, time_s, int(time_s * 10)),
        looks=looks,
    )


def lost(time_s: float) -> Record:
    """Frames that could not be read."""
    return Record(
        frame_name(VIDEO, time_s),
        failure=Failure("broken-video", "torn"),
        moment=Moment(VIDEO, time_s, 0),
    )


def followed(records: Sequence[Record], **options: bool) -> list[Record]:
    """The records after `follow`."""
    return list(follow(iter(records), VideoOptions(**options)))


def test_fish_that_cross_the_picture_keep_their_numbers() -> None:
    frames = [
        record(t / 5, [(box(20 * t, 50), SHARK), (box(500 - 25 * t, 200), RAY)][:: 1 - 2 * (t % 2)])
        for t in range(15)
    ]

    found = followed(frames)

    # The order of the fish in a frame changes; their numbers go with them.
    assert [each.tracks for each in found] == [(1, 2) if t % 2 == 0 else (2, 1) for t in range(15)]


def test_a_fish_that_is_hidden_for_two_samples_is_the_same_one_and_for_three_another() -> None:
    def swim(hidden: range) -> list[Record]:
        return [record(t / 5, [] if t in hidden else [(box(10 * t, 50), SHARK)]) for t in range(20)]

    two, three = followed(swim(range(8, 10))), followed(swim(range(8, 11)))

    assert {each.tracks for each in two} == {(1,), ()}
    assert [each.tracks for each in three] == [(1,)] * 8 + [()] * 3 + [(2,)] * 9


def test_a_leap_of_time_ends_all_tracks() -> None:
    here = [(box(100, 50), SHARK)]

    apart = followed([record(0, here), record(1, here), record(7, here)])
    torn = followed([record(0, here), record(1, here), lost(1.5), record(20, here)])
    still = list(
        follow(
            iter([record(0, here), record(30, here), record(60, here)]),
            VideoOptions(scene_change=0.05),
        )
    )

    assert [each.tracks for each in apart] == [(1,), (1,), (2,)]
    assert [each.tracks for each in torn] == [(1,), (1,), (), (2,)]
    # A scene that stands still is sampled twice a minute, and nothing has moved.
    assert [each.tracks for each in still] == [(1,), (1,), (1,)]


def test_a_followed_fish_gets_the_mean_likelihoods_and_their_label() -> None:
    likelihoods = [SHARK, RAY, SHARK]
    frames = [record(t, [(box(10 * t, 50), each)]) for t, each in enumerate(likelihoods)]

    found = followed(frames)

    expected = {
        code: pytest.approx(np.mean([each[code] for each in likelihoods]), abs=1e-6)
        for code in SHARK
    }
    for before, after in zip(frames, found, strict=True):
        assert before.result is not None
        assert after.result is not None
        assert after.result.fish[0].likelihoods == expected
        assert after.result.fish[0].label == "SHARK"
        assert after.result.fish[0].score == before.result.fish[0].score
        assert after.result.fish[0].box == before.result.fish[0].box
        # The picture is its own: these frames do not look alike.
        assert after.result.likelihoods == before.result.likelihoods


def test_a_fish_is_never_labelled_as_none() -> None:
    doubtful = {"NoF": 0.7, "OTHER": 0.1, "SHARK": 0.05, "RAY": 0.15}

    found = followed([record(t, [(box(0, 0), doubtful)]) for t in range(3)])

    assert {each.result.fish[0].label for each in found if each.result} == {"RAY"}


def test_near_identical_frames_share_the_mean_of_the_picture() -> None:
    pictures = [SHARK, RAY, EMPTY, SHARK]
    looks = ["00000000000000ff", "00000000000000fe", "00000000000000f0", "ffffffff00000000"]
    frames = [
        record(t, [(box(10, 10), SHARK)], picture, look)
        for t, (picture, look) in enumerate(zip(pictures, looks, strict=True))
    ]

    found = [each.result for each in followed(frames) if each.result]

    mean = {code: pytest.approx((SHARK[code] + RAY[code] + EMPTY[code]) / 3) for code in SHARK}
    assert [each.likelihoods for each in found] == [mean, mean, mean, SHARK]
    assert [each.label for each in found] == ["NoF"] * 3 + ["SHARK"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([box(10, 10)], [box(200, 10)]),
        ([box(10, 10)], []),
        ([box(10, 10), box(10, 11)], [box(10, 10), box(300, 300)]),
    ],
    ids=["elsewhere", "gone", "one-for-two"],
)
def test_frames_alike_with_other_fish_stay_apart(one: list[Box], other: list[Box]) -> None:
    look = "00000000000000ff"
    frames = [
        record(0, [(each, SHARK) for each in one], SHARK, look),
        record(1, [(each, SHARK) for each in other], EMPTY, look),
    ]

    found = [each.result for each in followed(frames) if each.result]

    assert [each.likelihoods for each in found] == [SHARK, EMPTY]


def test_a_slow_drift_is_not_one_long_scene() -> None:
    looks = [f"{(1 << bits) - 1:016x}" for bits in range(0, 40, 4)]
    frames = [record(t, [], EMPTY if t % 2 else SHARK, look) for t, look in enumerate(looks)]

    found = [each.result for each in followed(frames) if each.result]

    # Each differs from the next in 4 bits, from the one after in 8: pairs, not all ten.
    assert len({tuple(each.likelihoods.values()) for each in found}) == 1
    assert found[0].likelihoods["SHARK"] == pytest.approx((0.8 + 0.03) / 2)


def test_what_was_not_asked_for_is_left_alone() -> None:
    frames = [record(t, [(box(10 * t, 50), SHARK if t else RAY)], SHARK, "0" * 16) for t in (0, 1)]

    assert followed(frames, track=False, average=False) == frames
    numbered = followed(frames, average=False)
    assert [each.result for each in numbered] == [each.result for each in frames]
    assert [each.tracks for each in numbered] == [(1,), (1,)]
    averaged = followed(frames, track=False)
    assert [each.tracks for each in averaged] == [(), ()]
    assert [each.result.fish for each in averaged if each.result] == [
        each.result.fish for each in frames if each.result
    ]


def test_failures_and_order_stay_and_nothing_depends_on_chance() -> None:
    random = np.random.default_rng(3)
    frames: list[Record] = []
    for t in range(60):
        places = random.uniform(0, 500, (random.integers(0, 5), 2))
        frames.append(
            lost(t / 5) if t % 13 == 7 else record(t / 5, [(box(*each), RAY) for each in places])
        )

    once, twice = followed(frames), followed(frames)

    assert once == twice
    assert [each.name for each in once] == [each.name for each in frames]
    assert [each.failure for each in once] == [each.failure for each in frames]
    numbers = [number for each in once for number in each.tracks if number is not None]
    firsts = list(dict.fromkeys(numbers))
    assert firsts == list(range(1, len(firsts) + 1))
    assert followed([]) == []


def test_records_survive_their_json_and_are_followed_the_same() -> None:
    frames = [record(t, [(box(10 * t, 50), SHARK)], RAY, "0" * 16) for t in range(4)]

    again = [Record.from_dict(each.as_dict()) for each in frames]

    assert [each.as_dict() for each in followed(again)] == [
        each.as_dict() for each in followed(frames)
    ]


def test_without_the_tracker_pictures_are_averaged_and_a_hint_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "laptrack" else real(name)
    )
    monkeypatch.setitem(__import__("sys").modules, "laptrack", None)
    look = "00000000000000ff"

    found = followed([record(0, [], SHARK, look), record(1, [], EMPTY, look)])

    assert not tracks.can_follow()
    assert all(each.tracks == () for each in found)
    assert found[0].result is not None
    assert found[0].result.likelihoods["SHARK"] == pytest.approx((0.8 + 0.03) / 2)
    assert "pip install 'deckwatch[video]'" in tracks.HINT
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[video\]'"):
        follow_boxes([np.array([box(0, 0)], np.float32)] * 2)


def test_generalised_iou_is_the_papers() -> None:
    def giou(one: Box, other: Box) -> float:
        return generalised_iou(np.array(one), np.array(other))

    assert giou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert giou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    # Shared 50, union 150, hull 150.
    assert giou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    # Apart: union 200, hull 300.
    assert giou((0, 0, 10, 10), (20, 0, 30, 10)) == pytest.approx(-1 / 3)
    assert giou((5, 5, 5, 5), (5, 5, 5, 5)) == -1


def test_distinct_fish_are_counted_with_their_uncertainty() -> None:
    frames = [
        record(t / 5, [(box(20 * t, 50), SHARK), (box(500 - 25 * t, 200), RAY)]) for t in range(10)
    ]
    frames[4] = record(0.8, [(box(300, 400), RAY), *_fish(frames[4])])  # seen once

    counted = count(followed(frames))[VIDEO]

    assert (counted.tracks, counted.passing) == (2, 1)
    assert counted.labelled == {"SHARK": 1, "RAY": 1}
    assert counted.expected == {
        "OTHER": pytest.approx(0.15), "SHARK": pytest.approx(1.0), "RAY": pytest.approx(0.7)
    }  # fmt: skip
    assert counted.deviation["SHARK"] == pytest.approx((0.8 * 0.2 + 0.2 * 0.8) ** 0.5)
    assert count(followed(frames), minimum=1)[VIDEO].tracks == 3
    told = counted.as_dict()
    assert told["caveat"] == CAVEAT
    assert "counts twice" in CAVEAT


def test_videos_are_counted_apart_and_pictures_not_at_all() -> None:
    frames = followed([record(t, [(box(0, 0), SHARK)]) for t in range(3)])
    other = [
        Record(each.name, each.result, moment=Moment("b.mp4", 0.0, 0), tracks=each.tracks)
        for each in frames
    ]
    picture = Record("a.jpg", frames[0].result)

    found = count([*frames, *other, picture, lost(9)])

    assert {video: each.tracks for video, each in found.items()} == {VIDEO: 1, "b.mp4": 1}
    assert count([picture]) == {}


def _fish(record: Record) -> list[tuple[Box, dict[str, float]]]:
    assert record.result is not None
    return [(each.box, each.likelihoods) for each in record.result.fish]
