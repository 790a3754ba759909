"""What is shown with pictures: which, how many, how, and from where."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_client.records import Record
from deckwatch_client.report import page
from deckwatch_client.report.page import ReportOptions
from deckwatch_vision.errors import BrokenImage
from tests.client.report import runs
from tests.client.report.reading import Text, made, rows, thumbnails
from tests.client.report.runs import INFO, failure, fish, frame, record, season, write_run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a season's pictures and its run in out/."""
    season(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_fish_is_shown_close_up_and_where_it_is(tmp_path: Path) -> None:
    found = fish("SHARK", (20, 30, 80, 60))
    runs.write_picture(tmp_path / "a.jpg", found)
    run = write_run(tmp_path / "out", [record(str(tmp_path / "a.jpg"), found)])
    close, whole = thumbnails(made(run, tmp_path / "report.html"))
    assert max(close.shape) == 160
    assert whole.shape[:2] == (165, 220)
    middle = close[close.shape[0] // 2, close.shape[1] // 2].astype(int)
    assert abs(middle - (200, 30, 30)).max() < 12
    assert abs(close[3, 3].astype(int) - 110).max() < 12  # some of the deck round it
    edge = whole[round(30 * 1.375), 60].astype(int)
    assert edge[0] > 180 > edge[2] + 80  # the outline is yellow


def test_lists_are_bounded_and_their_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deckwatch_client.report.review.ROWS", 5)
    monkeypatch.setattr("deckwatch_client.report.tally.ROWS", 5)
    monkeypatch.setattr("deckwatch_client.report.failures.ROWS", 5)
    records: list[Record] = [
        record(f"{n:03}.jpg", fish({"SHARK": 0.5 + n / 100})) for n in range(40)
    ]
    records += [failure(f"x{n}.jpg", BrokenImage("torn")) for n in range(9)]
    run = write_run(tmp_path / "out", records)
    content = made(run, tmp_path / "report.html", thumbnails=3)
    words = str(Text(content))
    assert len(list(thumbnails(content))) == 3  # all of them grey
    shown = re.findall(r"<strong>SHARK ([^<]+)</strong>", content)
    assert shown == ["89\N{NO-BREAK SPACE}%", "88\N{NO-BREAK SPACE}%", "87\N{NO-BREAK SPACE}%"]
    assert "37 more called SHARK" in words
    assert [row[3] for row in rows(content, "More animals called SHARK")] == [
        f"{n:03}.jpg" for n in (36, 35, 34, 33, 32)
    ]
    assert "32 more are in the results." in words
    assert "broken-image: 9 files, the first 5" in words
    assert "4 more are in the results." in words


def test_no_thumbnails_means_no_picture_is_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [record("gone.jpg", fish("SHARK"))])
    told: list[str] = []
    written = page.write(run, tmp_path / "r.html", ReportOptions(thumbnails=0), tell=told.append)
    assert (written.gone, told) == (0, [])
    content = (tmp_path / "r.html").read_text()
    assert "<img" not in content
    assert [row[3] for row in rows(content, "More animals called SHARK")] == ["gone.jpg"]


def test_many_sensitive_species_share_the_room(tmp_path: Path) -> None:
    species = runs.many_species(30)
    info = replace(INFO, species=species)
    likelihoods = {one.code: 0.0 for one in species}
    records = []
    for one in species[1:]:
        for n in range(4):
            row = likelihoods | {one.code: 0.9, "NoF": 0.1}
            found = replace(fish("OTHER"), label=one.code, likelihoods=row)
            one_record = record(f"{one.code}-{n}.jpg", found)
            assert one_record.result
            result = replace(one_record.result, label=one.code, likelihoods=row)
            records.append(replace(one_record, result=result))
    run = write_run(tmp_path / "out", records, info)
    content = made(run, tmp_path / "report.html", thumbnails=10)
    assert len(list(thumbnails(content))) == 60  # two for each of 30, instead of four


def test_more_cameras_and_videos_than_charts_are_counted(tmp_path: Path) -> None:
    records = [record(f"{n:02}.jpg", camera=f"cam-{n:02}") for n in range(42)]
    records += [frame(f"v{n}.mp4", 0.0, at=None, camera="cam-00") for n in range(3)]
    run = write_run(tmp_path / "out", records)
    content = made(run, tmp_path / "report.html")
    assert content.count('role="img"') == 40
    assert "5 more charts left out." in content
    assert len(rows(content, "Cameras")) == 42


def test_a_missing_picture_is_grey_and_told_once(tmp_path: Path) -> None:
    found = fish("SHARK"), fish({"SHARK": 0.6, "RAY": 0.3}, (70, 60, 120, 100))
    run = write_run(tmp_path / "out", [record("gone.jpg", *found)])
    told: list[str] = []
    written = page.write(run, tmp_path / "report.html", tell=told.append)
    assert written.gone == 1
    assert len(told) == 1
    assert told[0].startswith("gone.jpg: there is no such file")
    content = (tmp_path / "report.html").read_text()
    assert content.count('alt="gone.jpg: the picture could not be read"') == 3
    assert len({picture.tobytes() for picture in thumbnails(content)}) == 1


def test_moved_pictures_are_found_by_the_end_of_their_name(here: Path, tmp_path: Path) -> None:
    told: list[str] = []
    options = ReportOptions(pictures=here / "trip")
    written = page.write(here / "out", tmp_path / "moved.html", options, tell=told.append)
    assert (written.gone, told) == (0, [])
    assert (tmp_path / "moved.html").read_text() == made(here / "out", tmp_path / "here.html")


def test_another_picture_of_the_same_name_is_not_shown(tmp_path: Path) -> None:
    found = fish("SHARK")
    runs.write_picture(tmp_path / "new" / "0001.jpg", found, colour=(30, 30, 200))
    digest = runs.write_picture(tmp_path / "old" / "0001.jpg", found)
    one = record("card/0001.jpg", found)
    assert one.result
    known = replace(one.result, image=replace(one.result.image, sha256=digest))
    run = write_run(tmp_path / "out", [replace(one, result=known)])
    for where, gone in (("old", 0), ("new", 1)):
        options = ReportOptions(pictures=tmp_path / where)
        assert page.write(run, tmp_path / "r.html", options, tell=lambda _: None).gone == gone


def test_pictures_are_found_from_where_the_run_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fish("SHARK")
    runs.write_picture(tmp_path / "trip" / "a.jpg", found)
    info = replace(INFO, options={"folder": str(tmp_path)})
    run = write_run(tmp_path / "out", [record("trip/a.jpg", found)], info)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert page.write(run, tmp_path / "report.html").gone == 0


def test_of_a_minute_of_doubtful_video_one_frame_is_shown(tmp_path: Path) -> None:
    frames = [
        frame(
            "haul.mp4",
            n * 10.0,
            at=None,
            likelihoods={"NoF": 0.5 + n / 1000, "RAY": 0.5 - n / 1000},
        )
        for n in range(12)
    ]
    run = write_run(tmp_path / "out", frames)
    content = made(run, tmp_path / "report.html")
    assert "In 12 of 12 pictures" in content
    shown = re.findall(r"<small>(haul.mp4#t=[0-9.]+)</small>", content)
    assert shown == ["haul.mp4#t=000000.000", "haul.mp4#t=000060.000"]


def test_frames_of_a_video_are_shown_from_the_video(tmp_path: Path) -> None:
    path = tmp_path / "haul.avi"
    video = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (runs.WIDTH, runs.HEIGHT)
    )
    for number in range(20):
        video.write(np.full((runs.HEIGHT, runs.WIDTH, 3), 10 * number, np.uint8))
    video.release()
    # The likelier one is the later one: shown is not the order of reading.
    records = [
        replace(one, moment=replace(one.moment, frame=round(one.moment.time_s * 5)))
        for one in (
            frame("haul.avi", time_s, fish({"RAY": 0.3 + time_s / 10}), at=None)
            for time_s in (0.2, 1.0, 2.0, 3.0)
        )
        if one.moment
    ]
    run = write_run(tmp_path / "out", records)
    content = made(run, tmp_path / "report.html", pictures=tmp_path)
    levels = [round(float(picture.mean())) for picture in thumbnails(content)]
    shown = [level for level, _ in zip(levels[::2], records, strict=True)]
    assert shown == pytest.approx([150, 100, 50, 10], abs=3)
