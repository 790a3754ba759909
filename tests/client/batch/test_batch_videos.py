"""Videos in a run: frames as records, resumed in the middle, followed in the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deckwatch_client.batch.log import Log
from deckwatch_client.records import Moment
from deckwatch_client.video import frames
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import DeckwatchError
from tests.client.batch.seasons import command, go, lines, names, outputs, results
from tests.client.video.rtsp_server import camera
from tests.client.video.videos import write_video, zeroed
from tests.serving.processes import wait_until
from tests.tiny_release import tiny_picture

EACH = VideoOptions(rate_hz=5)


@pytest.fixture
def haul(season: Path) -> Path:
    """Three seconds, ten frames each: a shark drifts along."""
    picture = tiny_picture(fish=1, species=("SHARK",), seed=3)
    pictures = []
    for number in range(30):
        moved = tiny_picture(fish=0, seed=3)
        moved[:, 4 * number :] = picture[:, : 320 - 4 * number]
        pictures.append(moved)
    return write_video(season / "day-001" / "haul.mkv", pictures)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Moment | None]:
    """After which moment each video was read."""
    found: list[Moment | None] = []
    sample = frames.sample

    def noting(source: str, options: VideoOptions, *, after: Moment | None) -> Iterator[Any]:
        found.append(after)
        return sample(source, options, after=after)

    monkeypatch.setattr(frames, "sample", noting)
    return found


def test_frames_stand_among_the_pictures_with_their_times(season: Path, haul: Path) -> None:
    summary = go("season", out=Path("out"), video=EACH)
    assert (summary.status, summary.tally.pictures) == (0, 12 + 15)
    found = results(Path("out"))
    told = names(Path("out"))
    first = told.index("season/day-001/haul.mkv#t=000000.000")
    assert told[first - 1] == "season/day-001/00007.jpg"
    assert told[first + 15] == "season/day-002/00008.jpg"
    taken = found[first : first + 15]
    assert [each["moment"]["time_s"] for each in taken] == [n / 5 for n in range(15)]
    assert {each["moment"]["video"] for each in taken} == {"season/day-001/haul.mkv"}
    assert all(len(each["looks"]) == 16 for each in taken)
    assert {each["label"] for each in taken} == {"SHARK"}
    # The tiny detector sees a square several times; what counts is that all are followed.
    tracks = [{fish["track"] for fish in each["fish"]} for each in taken]
    assert len(set.intersection(*tracks)) >= 1
    assert 1 <= summary.tally.tracks["SHARK"] <= len(set.union(*tracks))


def test_a_video_goes_on_where_it_was(
    season: Path, haul: Path, opened: list[Moment | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    go("season", out=Path("whole"), video=EACH)
    opened.clear()
    append = Log.append

    def fail(self: Log, entry: dict[str, Any]) -> tuple[int, int]:
        if len(lines(Path("out"))) == 15:
            raise DeckwatchError("the lights went out")
        return append(self, entry)

    monkeypatch.setattr(Log, "append", fail)
    with pytest.raises(DeckwatchError, match="lights"):
        go("season", out=Path("out"), video=EACH)
    monkeypatch.setattr(Log, "append", append)
    go("season", out=Path("out"), video=EACH)
    assert opened == [None, Moment("season/day-001/haul.mkv", 1.2, 12)]
    assert outputs(Path("out")) == outputs(Path("whole"))
    # Once it was read to its end it is not opened again, whatever is only made of its frames.
    for options in (EACH, VideoOptions(rate_hz=5, track=False)):
        summary = go("season", out=Path("out"), video=options)
        assert summary.tally.pictures == 27
    assert len(opened) == 2
    assert not any("track" in fish for each in results(Path("out")) for fish in each["fish"])


def test_a_video_that_was_replaced_is_read_anew(season: Path, haul: Path) -> None:
    go("season", out=Path("out"), video=EACH)
    write_video(haul, [tiny_picture(fish=0)] * 12)
    summary = go("season", out=Path("out"), video=EACH)
    assert summary.tally.pictures == 12 + 6
    go("season", out=Path("fresh"), video=EACH)
    assert outputs(Path("out")) == outputs(Path("fresh"))


def test_a_video_that_cannot_be_opened_is_a_failure_until_it_can(season: Path, haul: Path) -> None:
    content = haul.read_bytes()
    haul.write_bytes(b"no video" * 100)
    summary = go("season", out=Path("out"), video=EACH)
    assert (summary.status, summary.tally.failures) == (3, {"broken-video": 1})
    haul.write_bytes(content)
    summary = go("season", out=Path("out"), video=EACH)
    assert (summary.status, summary.tally.pictures) == (0, 27)
    haul.write_bytes(b"no video" * 100)
    summary = go("season", out=Path("out"), video=EACH)
    assert (summary.tally.pictures, summary.tally.failed) == (13, 1)


def test_damage_is_a_failure_in_its_place_and_is_tried_again(
    season: Path, haul: Path, opened: list[Moment | None]
) -> None:
    zeroed(haul, 0.3, 0.5)
    summary = go("season", out=Path("out"), video=EACH)
    assert summary.status == 3
    assert summary.tally.failures["broken-video"] >= 1
    before, count = outputs(Path("out")), len(lines(Path("out")))
    again = go("season", out=Path("out"), video=EACH)
    assert opened == [None, None]
    assert outputs(Path("out")) == before
    # Only what failed was noted again, and that the video was read to its end.
    assert len(lines(Path("out"))) == count + again.tally.failed + 1


def test_the_time_of_a_frame_comes_from_the_name_of_its_video(season: Path, haul: Path) -> None:
    haul.rename(season / "day-001" / "20260505_235959.mkv")
    go(season / "day-001", out=Path("out"), video=EACH)
    times = [each.get("captured_at") for each in results(Path("out"))]
    assert times[4:7] == [
        "2026-05-05T23:59:59", "2026-05-05T23:59:59.200", "2026-05-05T23:59:59.400",
    ]  # fmt: skip
    assert times[9] == "2026-05-06T00:00:00"


def test_options_of_videos_shape_the_results(season: Path, haul: Path) -> None:
    go("season", out=Path("out"), video=EACH)
    told = json.loads(Path("out/run.json").read_text())["options"]
    assert (told["rate_hz"], told["track"]) == (5, True)
    with pytest.raises(DeckwatchError, match=r"its rate_hz is 5, now it would be 1\.0"):
        go("season", out=Path("out"))


def test_the_same_video_by_two_names_is_read_once(
    season: Path, haul: Path, opened: list[Moment | None]
) -> None:
    os.symlink(haul, "link.mkv")
    summary = go(haul.relative_to(season.parent), "link.mkv", haul, out=Path("out"), video=EACH)
    assert len(opened) == 1
    assert summary.tally.pictures == 15


def test_a_stream_ends_with_its_seconds_and_shows_no_password(season: Path) -> None:
    with camera(password="se cr@t") as deck:
        url = deck.url.replace("rtsp://", "rtsp://deck:se%20cr%40t@")
        watching = VideoOptions(rate_hz=5, seconds=2)
        first = go(url, out=Path("out"), video=watching)
        assert first.status == 0
        assert first.tally.pictures >= 3
        # The same again goes on with it.
        again = go(url, out=Path("out"), video=watching)
        assert again.tally.pictures > first.tally.pictures
    found = results(Path("out"))
    assert all(each["captured_at"].endswith("+00:00") or each["captured_at"].endswith("Z")
               for each in found)  # fmt: skip
    assert names(Path("out")) == sorted(names(Path("out")))
    for path in Path("out").rglob("*"):
        if path.is_file():
            assert b"se%20cr" not in path.read_bytes()


def test_to_interrupt_a_stream_is_to_end_it(season: Path) -> None:
    with camera() as deck:
        process = subprocess.Popen(
            command(deck.url, "--out", "out", "--rate", "5"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        log = Path("out/log.jsonl")
        wait_until(lambda: log.exists() and log.stat().st_size > 1000, "frames", timeout_s=60)
        process.send_signal(signal.SIGINT)
        told, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "Results: out/results.jsonl" in told
    assert len(results(Path("out"))) == len(lines(Path("out")))
