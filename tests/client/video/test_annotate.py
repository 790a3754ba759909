"""From a video to followed fish, counts and an annotated copy, with a release that sees red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deckwatch_client.local import LocalBackend
from deckwatch_client.records import Failure, Record
from deckwatch_client.video.annotate import annotate
from deckwatch_client.video.count import count
from deckwatch_client.video.follow import follow
from deckwatch_client.video.frames import Frame, Lost, sample
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import BrokenVideo, UnreadableImage, UsageError
from deckwatch_vision.images import encode_jpeg
from tests.client.video.videos import Pixels, retime, write_video, zeroed
from tests.tiny_release import COLOURS

# The tiny release looks at 12 x 9 cells of a picture: fish fill one, and swim half of one a frame.
CELL = 320 / 12
FRAMES = 22


def places(frame: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Left and top of a shark that swims to the right, and of a ray to the left below."""
    return (
        (round(CELL * frame / 2), round(CELL)),
        (round(CELL * (11 - frame / 2)), round(6 * CELL)),
    )


def deck(frame: int) -> Pixels:
    """Two fish on a grey deck."""
    pixels = np.full((240, 320, 3), (90, 100, 120), np.uint8)
    for (left, top), species in zip(places(frame), ("SHARK", "RAY"), strict=True):
        pixels[top : top + 27, left : left + 27] = COLOURS[species]
    return pixels


def recognised(video: Path, repository: Path, options: VideoOptions) -> list[Record]:
    """What a batch makes of a video, in a row."""
    backend = LocalBackend(repository)

    def record(taken: Frame | Lost) -> Record:
        if isinstance(taken, Lost):
            return Record(taken.name, failure=Failure.of(taken.error), moment=taken.moment)
        result = backend.infer(encode_jpeg(taken.pixels, quality=95))
        return Record(taken.name, result, moment=taken.moment, looks=taken.looks)

    return list(follow(map(record, sample(str(video), options, after=None)), options))


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of two fish."""
    return write_video(tmp_path_factory.mktemp("trip") / "trip.mp4", map(deck, range(FRAMES)))


@pytest.fixture(scope="module")
def records(trip: Path, tiny_repository: Path) -> list[Record]:
    """What is known of it."""
    return recognised(trip, tiny_repository, VideoOptions(rate_hz=5))


def test_two_fish_are_found_followed_and_counted(trip: Path, records: list[Record]) -> None:
    counted = count(records)[str(trip)]

    assert len(records) == FRAMES // 2
    assert all(len(each.result.fish) == 2 for each in records if each.result)
    assert {track for each in records for track in each.tracks} == {1, 2}
    assert counted.tracks == 2
    assert counted.labelled == {"SHARK": 1, "RAY": 1}
    # The followed fish of any frame have the likelihoods of their whole tracks.
    fish = records[0].result.fish if records[0].result else ()
    assert counted.expected["SHARK"] == pytest.approx(
        sum(each.likelihoods["SHARK"] for each in fish), abs=1e-5
    )


def test_the_copy_has_every_frame_with_boxes_where_the_fish_are(
    trip: Path, records: list[Record], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"

    annotate(str(trip), iter(records), copy)

    assert [each.name for each in tmp_path.iterdir()] == ["copy.mp4"]
    frames = list(sample(str(copy), VideoOptions(rate_hz=1000), after=None))
    assert [each.moment.time_s for each in frames] == [each / 10 for each in range(FRAMES)]
    for number in (6, 7, 10, 13):  # at samples, and between them
        frame = frames[number]
        assert isinstance(frame, Frame)
        changed = np.abs(frame.pixels.astype(int) - deck(number)).sum(axis=2) > 120
        for left, top in places(number):
            # An outline round each fish; its middle shows.
            around = changed[top - 9 : top + 36, left - 9 : left + 36]
            assert 0.05 < around.mean() < 0.6
            assert changed[top + 20 : top + 25, left + 8 : left + 19].mean() < 0.2
        assert changed[-40:, :120].mean() > 0.02  # the time
        assert changed[80:130].mean() < 0.05


def test_the_times_of_a_video_with_a_varying_rate_are_kept(
    tmp_path: Path, tiny_repository: Path
) -> None:
    times = [0, 100, 200, 300, 1500, 1600, 2000, 2100]
    video = retime(write_video(tmp_path / "vary.mp4", map(deck, range(8))), times)
    records = recognised(video, tiny_repository, VideoOptions(rate_hz=10))
    copy = tmp_path / "copy.mp4"

    annotate(str(video), iter(records), copy)

    frames = list(sample(str(copy), VideoOptions(rate_hz=1000), after=None))
    assert frames[-1].moment.time_s == pytest.approx(2.1, abs=0.2)
    at_one = min(frames, key=lambda each: abs(each.moment.time_s - 1.0))
    assert isinstance(at_one, Frame)
    # What was seen at 0.3 s stays until 1.5 s.
    left, top = places(3)[1]
    seen = at_one.pixels[top + 22, left + 13].astype(int)
    assert np.abs(seen - COLOURS["RAY"]).max() < 60


def test_lost_spans_are_dark_and_keep_the_times_right(
    tmp_path: Path, tiny_repository: Path
) -> None:
    video = zeroed(write_video(tmp_path / "torn.mkv", map(deck, range(60))), 0.4, 0.5)
    records = recognised(video, tiny_repository, VideoOptions(rate_hz=5))
    lost = next(each for each in records if each.failure)
    copy = tmp_path / "copy.mp4"

    annotate(str(video), iter(records), copy)

    frames = list(sample(str(copy), VideoOptions(rate_hz=1000), after=None))
    assert len(frames) == 60
    assert lost.moment is not None
    dark = frames[round(lost.moment.time_s * 10) + 2]
    assert isinstance(dark, Frame)
    assert dark.pixels.mean() < 60
    assert isinstance(frames[0], Frame)
    assert frames[0].pixels.mean() > 80


def test_a_copy_that_cannot_be_made_leaves_nothing(
    trip: Path, records: list[Record], tmp_path: Path
) -> None:
    def failing() -> list[Record]:
        raise BrokenVideo("the log is gone")

    with pytest.raises(UsageError, match="live stream"):
        annotate("rtsp://deck/cam", records, tmp_path / "copy.mp4")
    with pytest.raises(UnreadableImage):
        annotate(str(tmp_path / "missing.mp4"), records, tmp_path / "copy.mp4")
    with pytest.raises(UsageError, match="Cannot write"):
        annotate(str(trip), records, tmp_path / "no such folder" / "copy.mp4")
    with pytest.raises(BrokenVideo):
        annotate(str(trip), (each for each in failing()), tmp_path / "copy.mp4")
    assert list(tmp_path.iterdir()) == []
