"""Frames of sound videos: which are taken, when they are, and the same ones again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deckwatch_client.records import Moment
from deckwatch_client.video import is_stream, is_video
from deckwatch_client.video.frames import Frame, FrameReader, Lost, sample
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import BrokenVideo, UnreadableImage, UsageError
from deckwatch_vision.likeness import distance, perceptual_hash
from tests.client.video.videos import (
    KINDS,
    WIDTH,
    number_in,
    numbered,
    retime,
    turn,
    write_video,
)


def taken(path: Path, *, after: Moment | None = None, **options: Any) -> list[Frame]:
    """The frames of a video that is sound."""
    found = list(sample(str(path), VideoOptions(**options), after=after))
    frames = [each for each in found if isinstance(each, Frame)]
    assert len(frames) == len(found), [each for each in found if isinstance(each, Lost)]
    return frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, ten frames each."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", range(60))


@pytest.mark.parametrize("suffix", KINDS)
def test_every_container_gives_the_frames_of_the_grid(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", range(40))

    frames = taken(path, rate_hz=2)

    assert [number_in(each.pixels) for each in frames] == list(range(0, 40, 5))
    assert [each.moment.frame for each in frames] == list(range(0, 40, 5))
    assert [each.moment.time_s for each in frames] == [0.5 * each for each in range(8)]
    assert {each.moment.video for each in frames} == {str(path)}


def test_names_and_looks_are_those_of_the_frame(clip: Path) -> None:
    frame = taken(clip, rate_hz=0.5)[1]

    assert frame.name == f"{clip}#t=000002.000"
    assert frame.looks == f"{perceptual_hash(frame.pixels):016x}"
    # Colours are RGB: blue and red are not exchanged.
    assert np.abs(frame.pixels.astype(int) - numbered(20)).mean() < 8
    assert distance(int(frame.looks, 16), perceptual_hash(numbered(20))) <= 6


def test_a_rate_above_the_videos_gives_every_frame_once(clip: Path) -> None:
    assert [number_in(each.pixels) for each in taken(clip, rate_hz=1000)] == list(range(60))


def test_a_rate_that_does_not_divide_the_videos_takes_the_next_frame(clip: Path) -> None:
    frames = taken(clip, rate_hz=3)

    assert [each.moment.frame for each in frames][:7] == [0, 4, 7, 10, 14, 17, 20]


def test_seconds_end_the_video(clip: Path) -> None:
    assert [each.moment.time_s for each in taken(clip, rate_hz=1, seconds=3)] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("options", [{"rate_hz": 2.0}, {"rate_hz": 5.0, "scene_change": 0.01}])
def test_going_on_after_a_moment_gives_what_came_after_it(
    clip: Path, options: dict[str, Any]
) -> None:
    whole = taken(clip, **options)
    assert len(whole) > 4

    for place in (0, len(whole) // 2, len(whole) - 1):
        rest = taken(clip, after=whole[place].moment, **options)
        assert [each.moment for each in rest] == [each.moment for each in whole[place + 1 :]]
        for one, other in zip(rest, whole[place + 1 :], strict=True):
            assert np.array_equal(one.pixels, other.pixels)


def test_frames_whose_times_vary_have_the_times_of_the_container(tmp_path: Path) -> None:
    times = [0, 100, 300, 900, 950, 1400, 2000, 5000, 5040, 6100]
    path = retime(write_video(tmp_path / "vary.mp4", range(10)), times)

    every = taken(path, rate_hz=1000)
    once_a_second = taken(path, rate_hz=1)

    assert [round(each.moment.time_s * 1000) for each in every] == times
    assert [number_in(each.pixels) for each in every] == list(range(10))
    # The first frame at or after each full second.
    assert [each.moment.time_s for each in once_a_second] == [0.0, 1.4, 2.0, 5.0, 6.1]


def test_a_phones_video_is_upright(tmp_path: Path) -> None:
    upright = np.rot90(numbered(5), -1)
    path = turn(write_video(tmp_path / "phone.mp4", [numbered(5)] * 3))

    frame = taken(path)[0]

    assert frame.pixels.shape == (WIDTH, 240, 3)
    assert np.abs(frame.pixels.astype(int) - upright).mean() < 8
    with FrameReader(str(path)) as reader:
        assert np.array_equal(reader.pixels(frame.moment), frame.pixels)


def test_a_file_without_times_counts_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "raw.avi"  # a bare row of JPEGs, whatever it is called
    rows = [cv2.imencode(".jpg", numbered(each)[..., ::-1])[1].tobytes() for each in range(50)]
    path.write_bytes(b"".join(rows))

    frames = taken(path, rate_hz=1)

    # FFmpeg takes such a row for 25 frames a second.
    assert [(number_in(each.pixels), each.moment.time_s) for each in frames] == [(0, 0), (25, 1)]


def test_frames_are_read_again_in_any_order(clip: Path) -> None:
    frames = taken(clip, rate_hz=2)

    with FrameReader(str(clip)) as reader:
        for place in (0, 3, 4, 4, 11, 2):
            again = reader.pixels(frames[place].moment)
            assert np.array_equal(again, frames[place].pixels)
        with pytest.raises(BrokenVideo, match=r"no frame at 2\.250 s"):
            reader.pixels(Moment(str(clip), 2.25, 22))
        with pytest.raises(BrokenVideo, match=r"no frame at 99\.000 s"):
            reader.pixels(Moment(str(clip), 99.0, 990))


def test_scene_changes_take_what_is_new_and_look_now_and_then(tmp_path: Path) -> None:
    still, other = np.full((240, 320, 3), 90, np.uint8), np.full((240, 320, 3), 90, np.uint8)
    other[100:160, 100:180] = 220  # a sixteenth of the picture
    path = write_video(tmp_path / "scenes.avi", [still] * 200 + [other] * 30 + [still] * 170)

    frames = taken(path, rate_hz=10, scene_change=0.03)
    deaf = taken(path, rate_hz=10, scene_change=0.2)

    assert [each.moment.time_s for each in frames] == [0.0, 20.0, 23.0]
    assert [each.moment.time_s for each in deaf] == [0.0, 30.0]


def test_a_file_with_a_colon_in_its_name_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "clip.mp4", range(10)).rename(tmp_path / "http:clip 12:30.mp4")
    monkeypatch.chdir(tmp_path)

    assert len(taken(Path("http:clip 12:30.mp4"))) == 1


def test_what_is_no_video_says_so(tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video at all\n" * 100)
    (tmp_path / "empty.mkv").touch()

    with pytest.raises(BrokenVideo, match="no video that can be read"):
        taken(notes)
    with pytest.raises(BrokenVideo, match="no video that can be read"):
        taken(tmp_path / "empty.mkv")
    with pytest.raises(UnreadableImage, match="no such file"):
        taken(tmp_path / "missing.mp4")
    with pytest.raises(UnreadableImage, match="directory"):
        FrameReader(str(tmp_path))


def test_a_playlist_under_a_videos_name_reads_nothing_else(tmp_path: Path, clip: Path) -> None:
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:6,\n{clip}\n#EXT-X-ENDLIST\n")

    with pytest.raises(BrokenVideo):
        taken(playlist)


def test_videos_and_streams_are_told_by_their_names() -> None:
    assert all(map(is_video, ("a/b.MP4", "x.mkv", "c.avi", "rtsp://deck:8554/cam", "RTSPS://x/y")))
    assert not any(map(is_video, ("a.jpg", "mp4", "list.txt", "http://host/a.jpg", "")))
    assert is_stream("rtsp://user:secret@deck/cam")
    assert not is_stream("rtsp.mp4")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_hz": 0},
        {"rate_hz": float("nan")},
        {"rate_hz": -1},
        {"rate_hz": 5000},
        {"scene_change": 0},
        {"scene_change": 1.5},
        {"seconds": 0},
        {"seconds": float("inf")},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Give"):
        VideoOptions(**wrong)
