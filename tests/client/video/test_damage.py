"""Damaged videos: what is sound is read, what is not is told, and nothing torn is handed out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deckwatch_client.video import reader
from deckwatch_client.video.frames import Frame, FrameReader, Lost, sample
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import BrokenVideo, ImageError
from tests.client.video.videos import (
    cut,
    fragment,
    number_in,
    numbered,
    scrambled,
    write_video,
    zeroed,
)

EVERY = VideoOptions(rate_hz=1000)
FRAMES = 96  # eight groups of twelve frames, a key frame first


def read(path: Path, options: VideoOptions = EVERY) -> tuple[list[Frame], list[Lost]]:
    """The sound frames and the lost spans of a video."""
    found = list(sample(str(path), options, after=None))
    times = [each.moment.time_s for each in found]
    assert times == sorted(set(times))  # in order, and no two alike
    frames = [each for each in found if isinstance(each, Frame)]
    return frames, [each for each in found if isinstance(each, Lost)]


def assert_sound(frames: list[Frame]) -> None:
    """Every frame is as it was recorded, at the time at which it was."""
    for each in frames:
        number = round(each.moment.time_s * 10)
        assert number_in(each.pixels) == number
        assert np.abs(each.pixels.astype(int) - numbered(number)).mean() < 8


@pytest.mark.parametrize("damage", [zeroed, scrambled], ids=["zeroed", "scrambled"])
@pytest.mark.parametrize(
    "name", ["a.mkv", "a.mp4", "a.ts", "fragmented.mp4"], ids=lambda name: name.replace("a.", "")
)
def test_reading_goes_on_behind_the_damage(
    name: str, damage: Callable[[Path, float, float], Path], tmp_path: Path
) -> None:
    path = write_video(tmp_path / name, range(FRAMES))
    if name.startswith("fragmented"):
        fragment(path)
        assert len(read(path)[0]) == FRAMES  # as it was, all is well
    damage(path, 0.40, 0.46)

    frames, lost = read(path)

    assert_sound(frames)
    assert len(lost) == 1
    # At the place of the damage, and no more than two groups of pictures and what was in flight.
    assert 2.8 < lost[0].moment.time_s < 4.6
    assert lost[0].until_s is not None
    assert lost[0].moment.time_s < lost[0].until_s <= 6.1
    assert frames[-1].moment.time_s == 9.5
    assert len(frames) >= FRAMES - 28


def test_what_is_lost_is_told_in_words(tmp_path: Path) -> None:
    path = zeroed(write_video(tmp_path / "a.mkv", range(FRAMES)), 0.4, 0.46)

    lost = read(path)[1][0]

    assert lost.error.code == "broken-video"
    start, end = lost.moment.time_s, lost.until_s
    assert f"frames from {start:.3f} s to {end:.3f} s could not be read" in lost.error.message
    assert lost.name == f"{path}#t={start:010.3f}"


def test_frames_of_an_avi_go_on_behind_the_damage(tmp_path: Path) -> None:
    path = zeroed(write_video(tmp_path / "a.avi", range(FRAMES)), 0.40, 0.46)

    frames, lost = read(path)

    assert lost
    numbers = [number_in(each.pixels) for each in frames]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] == FRAMES - 1
    for each, number in zip(frames, numbers, strict=True):
        assert np.abs(each.pixels.astype(int) - numbered(number)).mean() < 8


@pytest.mark.parametrize("suffix", ["mkv", "avi", "ts", "fragmented.mp4"])
def test_a_file_cut_short_gives_what_is_there(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a.{suffix}", range(FRAMES))
    if suffix == "fragmented.mp4":
        fragment(path)
    cut(path, 0.6)

    frames, lost = read(path)

    assert_sound(frames)
    assert 45 <= len(frames) <= 62
    # Streams of parts do not say how long they were to be; the others miss their end.
    if suffix in ("mkv", "avi"):
        assert len(lost) == 1
        assert lost[0].until_s == pytest.approx(9.6, abs=0.1)
        assert lost[0].moment.time_s == pytest.approx(frames[-1].moment.time_s + 0.1, abs=0.3)


def test_an_mp4_without_its_index_is_hopeless_and_says_why(tmp_path: Path) -> None:
    path = cut(write_video(tmp_path / "a.mp4", range(FRAMES)), 0.7)

    with pytest.raises(BrokenVideo, match=r"index of this MP4 is missing.*untrunc"):
        read(path)


def test_several_holes_of_a_fragmented_mp4_are_passed(tmp_path: Path) -> None:
    path = fragment(write_video(tmp_path / "deck's | cam.mp4", range(FRAMES)))
    size = path.stat().st_size
    data = bytearray(path.read_bytes())
    indexes = [place for place in range(size) if data[place : place + 4] == b"moof"]
    for number in (2, 5):
        data[indexes[number] - 4 : indexes[number] + 40] = bytes(44)
    path.write_bytes(data)

    frames, lost = read(path)

    assert_sound(frames)
    assert [each.moment.frame for each in lost] == [24, 48]
    assert [(each.moment.time_s, each.until_s) for each in lost] == [(2.4, 3.6), (6.0, 7.2)]
    assert len(frames) == FRAMES - 24


def test_a_damaged_video_goes_on_after_a_moment_as_well(tmp_path: Path) -> None:
    path = zeroed(write_video(tmp_path / "a.mkv", range(FRAMES)), 0.4, 0.46)
    options = VideoOptions(rate_hz=5)
    whole = list(sample(str(path), options, after=None))

    for place in range(0, len(whole), 6):
        rest = list(sample(str(path), options, after=whole[place].moment))
        assert [each.moment for each in rest] == [each.moment for each in whole[place + 1 :]]
        assert [type(each) for each in rest] == [type(each) for each in whole[place + 1 :]]


def test_sound_frames_of_a_damaged_video_are_read_again(tmp_path: Path) -> None:
    path = zeroed(write_video(tmp_path / "a.mkv", range(FRAMES)), 0.4, 0.46)
    frames, _ = read(path, VideoOptions(rate_hz=2))

    with FrameReader(str(path)) as again:
        for each in frames:
            assert np.array_equal(again.pixels(each.moment), each.pixels)


def test_ffmpegs_complaints_stay_out_of_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = zeroed(write_video(tmp_path / "a.mkv", range(FRAMES)), 0.4, 0.46)
    capfd.readouterr()

    frames, _ = read(path)
    with FrameReader(str(path)) as again:
        again.pixels(frames[-1].moment)

    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_decoder_that_crashes_costs_the_rest_of_its_video_alone(tmp_path: Path) -> None:
    # Big enough for the decoder to be still at it when the first frame is here.
    big = (numbered(each, height=480, width=640) for each in range(40))
    path = write_video(tmp_path / "a.mkv", big)
    found: list[Frame | Lost] = []
    for each in sample(str(path), EVERY, after=None):
        found.append(each)
        if len(found) == 2:
            for child in _decoders():
                os.kill(child, signal.SIGSEGV)

    assert all(isinstance(each, Frame) for each in found[:-1])
    last = found[-1]
    assert isinstance(last, Lost)
    assert "crashed on it (signal 11)" in last.error.message
    assert last.moment.time_s > found[-2].moment.time_s


def test_a_decoder_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = tmp_path / "hangs.mkv"
    os.mkfifo(fifo)  # nobody will ever write into it
    monkeypatch.setattr(reader, "SILENT_S", 1.0)

    with pytest.raises(ImageError, match="hung"):
        read(fifo)
    assert not _decoders()


def test_leaving_early_ends_the_decoder(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", range(FRAMES))

    frames = sample(str(path), EVERY, after=None)
    next(frames)
    assert _decoders()
    frames.close()  # type: ignore[attr-defined]

    assert not _decoders()


def _decoders() -> list[int]:
    """The decoders that are children of this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"deckwatch_client.video.decoder" in command:
                found.append(int(child))
    return found
