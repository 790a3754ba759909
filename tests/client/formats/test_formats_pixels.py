"""Crops, overlays, and the pixels that they are made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import piexif
import pytest

from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.formats.pixel_work import PixelWork
from deckwatch_client.formats.places import jpeg, place
from deckwatch_client.formats.table import check_formats
from deckwatch_client.pixels import TOLD, PixelSource
from deckwatch_client.records import Failure, Moment, Record, frame_name
from deckwatch_vision.errors import DeckwatchError, UnreadableImage, UsageError
from deckwatch_vision.images import decode, encode_jpeg
from tests.client.formats.some_records import INFO, ODD_NAMES, one_fish, plain_result, write_run

RED, GREY = (220, 20, 20), (110, 110, 110)


def deck(height: int = 240, width: int = 320) -> Any:
    """A grey deck with a red fish at x 100 to 160, y 80 to 120."""
    pixels = np.full((height, width, 3), GREY, np.uint8)
    pixels[80:120, 100:160] = RED
    return pixels


FISH = one_fish("SHARK", box=(100, 80, 160, 120))


def seen(name: str, *fish: Any) -> Record:
    return Record(name, plain_result(name, *(fish or (FISH,)), size=(320, 240)))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder of the pictures."""
    folder = tmp_path / "season"
    for name in ("trip/a.jpg", "trip/a.png", "b.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            cv2.imwrite(str(path), deck()[..., ::-1])
        else:
            path.write_bytes(encode_jpeg(deck()))
    return folder


def test_a_crop_is_the_fish_at_full_resolution_with_context(tmp_path: Path, base: Path) -> None:
    other = one_fish("YFT", box=(0, 0, 50, 30), score=0.5)
    records = [
        seen("trip/a.jpg", FISH, other),
        seen("trip/a.png"),
        Record("b.jpg", None, Failure("x", "y")),
    ]
    out = write_run(
        ["crops"], records, tmp_path / "out", options=FormatOptions(context=1.5),
        pixels=PixelSource(base),
    ) / "crops"  # fmt: skip
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.jpg")}
    assert files == {
        "trip/a.jpg__1_SHARK.jpg", "trip/a.jpg__2_YFT.jpg", "trip/a.png__1_SHARK.jpg"
    }  # fmt: skip
    crop = decode((out / "trip/a.jpg__1_SHARK.jpg").read_bytes())
    assert crop.shape == (90, 90, 3)  # 60 pixels wide, times 1.5
    red = (crop[..., 0].astype(int) - crop[..., 1]) > 100
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max() + 1) == pytest.approx((25, 65), abs=1)
    assert (columns.min(), columns.max() + 1) == pytest.approx((15, 75), abs=1)


def test_a_context_that_cuts_into_the_fish_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--context 0\.5"):
        check_formats(["crops"], INFO, FormatOptions(context=0.5))


def test_an_overlay_is_the_picture_with_outlines(tmp_path: Path, base: Path) -> None:
    records = [seen("trip/a.jpg"), seen("trip/a.png"), seen("b.jpg", one_fish(box=(5, 5, 9, 9)))]
    out = write_run(["overlays"], records, tmp_path / "out", pixels=PixelSource(base)) / "overlays"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.jpg")}
    assert files == {"trip/a.jpg", "trip/a.png.jpg", "b.jpg"}
    drawn = decode((out / "trip/a.jpg").read_bytes()).astype(int)
    assert drawn.shape == (240, 320, 3)
    assert np.abs(drawn - deck()).max() > 80
    assert np.abs(drawn[200:] - deck()[200:]).max() < 30


def test_pictures_that_are_gone_are_told_counted_and_passed_over(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = PixelSource(base)
    records = [seen(f"gone_{i}.jpg") for i in range(9)] + [seen("trip/a.jpg")]
    (base / "b.jpg").write_bytes(encode_jpeg(deck(100, 100)))
    out = write_run(["crops"], [seen("b.jpg"), *records], tmp_path / "out", pixels=source)
    assert source.gone == 10
    assert [path.name for path in (out / "crops").rglob("*.jpg")] == ["a.jpg__1_SHARK.jpg"]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == TOLD + 1
    assert "only counted" in told[-1]


def test_another_picture_of_the_same_name_is_no_match(base: Path) -> None:
    (base / "b.jpg").write_bytes(encode_jpeg(deck(100, 100)))
    with pytest.raises(UnreadableImage, match="100 x 100 pixels now, and had 320 x 240"):
        PixelSource(base).pixels(seen("b.jpg"))


def test_pixels_are_upright(base: Path) -> None:
    turned = base / "turned.jpg"
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: 6}})
    turned.write_bytes(encode_jpeg(deck()))
    piexif.insert(exif, str(turned))
    record = Record("turned.jpg", plain_result("turned.jpg", size=(240, 320)))
    assert PixelSource(base).pixels(record).shape == (320, 240, 3)


def test_absolute_names_and_urls_stay_as_they_are() -> None:
    source = PixelSource(Path("/season"))
    assert source.path("/mnt/a.jpg") == "/mnt/a.jpg"
    assert source.path("rtsp://deck/1") == "rtsp://deck/1"
    assert source.path("a.jpg") == "/season/a.jpg"
    assert PixelSource().path("a.jpg") == "a.jpg"


def test_frames_come_from_their_video(tmp_path: Path) -> None:
    video = tmp_path / "haul.avi"
    size = (64, 48)
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for number in range(30):
        writer.write(np.full((48, 64, 3), number * 8, np.uint8))
    writer.release()

    def frame(number: int) -> Record:
        moment = Moment("haul.avi", number / 10, number)
        name = frame_name("haul.avi", moment.time_s)
        return Record(
            name, plain_result(name, one_fish(box=(0, 0, 20, 20)), size=size), moment=moment
        )

    records = [frame(number) for number in (3, 12, 25)]
    source = PixelSource(tmp_path)
    for record, number in zip(records, (3, 12, 25), strict=True):
        assert source.pixels(record).mean() == pytest.approx(number * 8, abs=3)
    out = write_run(["crops", "overlays"], records, tmp_path / "out", pixels=source)
    source.close()
    assert len(list((out / "crops").rglob("*.jpg"))) == 3
    names = sorted(path.name for path in (out / "overlays").rglob("*.jpg"))
    assert names == [f"{record.name}.jpg" for record in records]
    gone = replace(records[0], moment=Moment("gone.avi", 0.3, 3))
    write_run(["crops"], [gone], tmp_path / "none", pixels=(lost := PixelSource(tmp_path)))
    assert lost.gone == 1


def test_what_goes_wrong_in_a_thread_stops_the_run(base: Path) -> None:
    def fail(record: Record, pixels: Any) -> None:
        raise OSError(28, "No space left on device")

    work = PixelWork(PixelSource(base), fail)
    work.submit(seen("b.jpg"))
    with pytest.raises(OSError, match="No space"):
        work.close()


def test_no_more_pictures_wait_than_there_are_places(base: Path) -> None:
    done: list[str] = []
    work = PixelWork(PixelSource(base), lambda record, pixels: done.append(record.name))
    for _ in range(200):
        work.submit(seen("b.jpg"))
        assert len(work._waiting) <= work._most
    work.close()
    assert len(done) == 200


def test_places_stay_inside_and_differ() -> None:
    names = (
        *ODD_NAMES,
        "a/./b.jpg",
        "a//b.jpg",
        "a/b.jpg",
        "a\\b.jpg",
        "..",
        "/",
        "x" * 300 + ".jpg",
        "漁" * 300,
    )
    for way in (place, jpeg):
        places = [way(name) for name in names]
        assert len(set(places)) == len(names)
        for one in places:
            parts = one.split("/")
            assert not one.startswith("/")
            assert not {"..", ".", ""} & set(parts)
            assert all(len(part.encode()) < 255 for part in parts)
            assert one.isprintable()
    assert place("a/b.jpg") == "a/b.jpg"
    assert jpeg("a.png.jpg") != jpeg("a.png") == "a.png.jpg"


def test_reading_needs_a_picture() -> None:
    with pytest.raises(DeckwatchError, match="no such file"):
        PixelSource().pixels(Record("gone.jpg"))
