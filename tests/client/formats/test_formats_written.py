"""What single formats write, where a round trip would not show it."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deckwatch_client.formats.cells import guarded, unguarded
from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.formats.table import FORMATS, check_formats, open_writers
from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Failure, Moment, Origin, Record, frame_name
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError, MissingExtra, UsageError
from deckwatch_vision.result import ReleaseInfo, Result
from deckwatch_vision.species import DEMO, NCFM
from tests.client.formats.some_records import (
    INFO,
    ODD_NAMES,
    WHERE,
    one_fish,
    plain_result,
    read_back,
    some_records,
    write_run,
)

TORN = Record("torn.jpg", failure=Failure("broken-image", "it ends early"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def frame(video: str, number: int, rate: float, result: Result) -> Record:
    moment = Moment(video, round(number / rate, 3), number)
    return Record(frame_name(video, moment.time_s), result, moment=moment)


def test_no_cell_of_the_tables_is_a_formula(tmp_path: Path) -> None:
    origin = Origin("=1+1", "+49", "@now")
    records = [Record(name, plain_result(name, one_fish()), origin=origin) for name in ODD_NAMES]
    records.append(Record("=x.jpg", failure=Failure("broken-image", "=HYPERLINK(1)")))
    out = write_run(["csv"], records, tmp_path)
    cells = [
        cell
        for file in ("fish.csv", "pictures.csv")
        for row in rows(out / file)
        for cell in row.values()
    ]
    assert len(cells) > 500
    risky = [cell for cell in cells if cell.lstrip("'").startswith(("=", "+", "@", "\t", "\r"))]
    assert risky
    assert all(cell.startswith("'") for cell in risky)


@pytest.mark.parametrize("text", [*ODD_NAMES, "'", "''=", "-1", "", "\t'", "'\n"])
def test_the_guard_is_taken_away_again(text: str) -> None:
    assert unguarded(guarded(text)) == text


def test_fish_and_pictures_are_told_in_words_too(tmp_path: Path) -> None:
    fish = one_fish("DOL")
    record = Record("a.jpg", plain_result("a.jpg", fish, label="DOL"), tracks=(7,))
    out = write_run(["csv"], [record, TORN], tmp_path)
    [row] = rows(out / "fish.csv")
    assert row["common_name"] == "dolphinfish"
    assert (row["fish"], row["track"], row["x2"]) == ("1", "7", "110")
    assert float(row["likelihood_DOL"]) == 0.93
    first, torn = rows(out / "pictures.csv")
    assert (first["label"], first["release"], first["release_version"]) == ("DOL", "season", "3")
    assert (torn["label"], torn["failure"]) == ("", "broken-image")
    assert torn["failure_message"] == "it ends early"


def test_file_names_that_are_no_text_keep_their_bytes(tmp_path: Path) -> None:
    name = b"haul\xff.jpg".decode("utf-8", "surrogateescape")
    record = Record(name, plain_result(name, one_fish()))
    lossless = [each for each, one in FORMATS.items() if one.reads and each != "coco-results"]
    for each in lossless:
        out = tmp_path / each
        _, [found] = read_back(each, write_run([each], [record], out))
        # Camtrap DP and Parquet have to be UTF-8: there the byte is spelt out.
        spelt = each in ("camtrap-dp", "parquet")
        assert found.name == ("haul\\udcff.jpg" if spelt else name), each
    assert b"haul\xff.jpg" in (tmp_path / "csv" / "pictures.csv").read_bytes()


def megadetector(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "megadetector.json").read_text())
    return found


def test_species_are_classifications_the_likeliest_first(tmp_path: Path) -> None:
    fish = one_fish("SHARK", box=(-5, 12, 320, 480))
    found = megadetector(
        write_run(["megadetector"], [Record("a.jpg", plain_result("a", fish))], tmp_path)
    )
    [detection] = found["images"][0]["detections"]
    assert detection["bbox"] == [0.0, 0.025, 0.5, 0.975]
    assert found["detection_categories"][detection["category"]] == "animal"
    numbers, values = zip(*detection["classifications"], strict=True)
    assert found["classification_categories"][numbers[0]] == "shark"
    assert list(values) == sorted(values, reverse=True)
    assert len(values) == len(NCFM)
    names = found["classification_category_descriptions"].values()
    assert "Thunnus albacares" in names
    assert found["info"]["detector"] == "deckwatch season 3"


def test_a_video_is_one_entry_wherever_its_frames_stand(tmp_path: Path) -> None:
    empty, seen = plain_result("v"), plain_result("v", one_fish(), one_fish(score=0.5))
    records = [
        frame("b.mp4", 50, 25, seen),
        Record("a.jpg", empty),
        frame("b.mp4", 0, 25, empty),
        Record("gone.mp4", failure=Failure("unreadable-image", "there is no such file")),
        frame("b.mp4", 25, 25, seen),
    ]
    images = megadetector(write_run(["megadetector"], records, tmp_path))["images"]
    assert [image["file"] for image in images] == ["a.jpg", "b.mp4", "gone.mp4"]
    video, gone = images[1:]
    assert video["frames_processed"] == [0, 25, 50]
    assert video["frame_rate"] == 25
    assert [one["frame_number"] for one in video["detections"]] == [25, 25, 50, 50]
    assert gone["detections"] is None
    assert gone["frame_rate"] == -1
    assert gone["failure"] == "unreadable-image: there is no such file"


def test_a_live_stream_is_a_video_whose_times_are_the_clocks(tmp_path: Path) -> None:
    start = 1_777_966_200.5  # 2026-05-05T07:30:00.500Z
    records = []
    for number, second in ((0, 0.0), (25, 1.0), (60, 2.4)):
        moment = Moment("rtsp://deck/1", start + second, number)
        name = frame_name(moment.video, moment.time_s)
        origin = Origin("aft", None, f"2026-05-05T07:30:0{int(second)}.500Z")
        records.append(Record(name, plain_result(name, one_fish()), origin=origin, moment=moment))
    out = write_run(["megadetector", "camtrap-dp"], records, tmp_path)
    [stream] = megadetector(out)["images"]
    assert (stream["file"], stream["frame_rate"]) == ("rtsp://deck/1", 25)
    [medium] = rows(out / "camtrap-dp" / "media.csv")
    assert (medium["timestamp"], medium["filePath"]) == ("2026-05-05T07:30:00Z", "rtsp://deck/1")
    alone = write_run(["megadetector"], records[1:2], tmp_path / "alone")
    assert megadetector(alone)["images"][0]["frame_rate"] > 0


def test_coco_numbers_classes_from_1_without_no_fish(tmp_path: Path) -> None:
    records = [TORN, Record("a.jpg", plain_result("a.jpg", one_fish("SHARK")))]
    out = write_run(["coco", "coco-results"], records, tmp_path)
    found = json.loads((out / "coco.json").read_text())
    names = {one["name"]: one["id"] for one in found["categories"]}
    codes = [code for code in NCFM.codes if code != "NoF"]
    assert names == {code: number for number, code in enumerate(codes, 1)}
    [image], [annotation] = found["images"], found["annotations"]
    assert (image["id"], image["file_name"]) == (2, "a.jpg")
    assert annotation["bbox"] == [10, 20, 100, 60]
    assert annotation["area"] == 6000
    assert (annotation["image_id"], annotation["category_id"]) == (2, names["SHARK"])
    assert [one["file_name"] for one in found["failures"]] == ["torn.jpg"]
    [result] = json.loads((out / "coco-results.json").read_text())
    assert result == {key: annotation[key] for key in result}


def test_yolo_has_a_file_for_every_picture_that_was_seen(tmp_path: Path) -> None:
    names = ("trip/a.jpg", "trip/a.png", "sea.jpg", "/mnt/b.jpg")
    records = [Record(name, plain_result(name, one_fish("BET"))) for name in names]
    records[2] = Record("sea.jpg", plain_result("sea.jpg"))
    out = write_run(["yolo"], [*records, TORN], tmp_path) / "yolo"
    listed = {row["picture"]: row["labels"] for row in rows(out / "pictures.csv")}
    assert listed["trip/a.jpg"] == "labels/trip/a.txt"
    assert listed["torn.jpg"] == ""
    files = {path.relative_to(out).as_posix() for path in (out / "labels").rglob("*.txt")}
    assert files == set(listed.values()) - {""}
    assert len(files) == 4
    assert (out / "labels/trip/a.txt").read_text() == "1 0.09375 0.1041667 0.15625 0.125 0.9\n"
    assert (out / "labels/sea.txt").read_text() == ""
    assert (out / "names.txt").read_text().split() == [c for c in NCFM.codes if c != "NoF"]
    assert '  1: "BET"\n' in (out / "data.yaml").read_text()


def test_a_camtrap_package_needs_to_know_where(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--latitude"):
        check_formats(["csv", "camtrap-dp"], INFO, FormatOptions())
    with pytest.raises(UsageError, match="-90 to 90"):
        check_formats(["camtrap-dp"], INFO, FormatOptions(latitude=91, longitude=0))
    with pytest.raises(UsageError, match="ISO 8601"):
        check_formats(["camtrap-dp"], INFO, replace(WHERE, created="yesterday"))
    with pytest.raises(UsageError, match="--latitude"):
        open_writers(["csv", "camtrap-dp"], INFO, tmp_path, PixelSource())
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_is_a_camera_of_a_vessel(tmp_path: Path) -> None:
    def picture(name: str, *origin: str | None) -> Record:
        return Record(name, plain_result(name, one_fish()), origin=Origin(*origin))

    records = [
        picture("a.jpg", "aft", "Albatros", "2026-05-05T07:30:00+12:00"),
        picture("b.jpg", "aft", "Albatros", "2026-05-04T06:00:00+12:00"),
        picture("c.jpg", "aft", None, "2026-05-05T07:30:00"),
        picture("d.jpg"),
        TORN,
    ]
    out = write_run(["camtrap-dp"], records, tmp_path) / "camtrap-dp"
    aft, other, unknown = rows(out / "deployments.csv")
    assert (aft["deploymentID"], aft["cameraID"]) == ("Albatros/aft", "aft")
    assert aft["deploymentStart"] == "2026-05-04T06:00:00+12:00"
    assert aft["deploymentEnd"] == "2026-05-05T07:30:00+12:00"
    assert (aft["timestampIssues"], aft["deploymentGroups"]) == ("false", "vessel:Albatros")
    assert (other["deploymentStart"], other["timestampIssues"]) == ("2026-05-05T07:30:00Z", "true")
    assert (unknown["deploymentID"], unknown["timestampIssues"]) == ("unknown", "true")
    observations = rows(out / "observations.csv")
    assert [one["observationType"] for one in observations] == ["animal"] * 4 + ["unclassified"]
    assert observations[0]["scientificName"] == "Thunnus albacares"
    assert observations[0]["classifiedBy"] == "deckwatch season 3"
    assert observations[4]["observationComments"] == "broken-image: it ends early"
    package = json.loads((out / "datapackage.json").read_text())
    assert package["temporal"] == {"start": "2026-05-03", "end": "2026-05-05"}
    assert package["created"] == "2026-05-05T07:30:00Z"


def test_the_time_of_a_package_may_be_given(tmp_path: Path) -> None:
    options = replace(WHERE, created="2026-06-01T12:00:00+02:00")
    out = write_run(["camtrap-dp"], [TORN], tmp_path, options=options)
    package = json.loads((out / "camtrap-dp" / "datapackage.json").read_text())
    assert package["created"] == "2026-06-01T12:00:00+02:00"


def test_camio_has_a_body_for_each_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def picture(name: str, camera: str | None, taken: str | None, label: str) -> Record:
        result = plain_result(name, one_fish(label), label=label)
        return Record(name, result, origin=Origin(camera, None, taken))

    records = [
        picture("a.jpg", "deck/2", "2026-05-05T07:30:00.250", "YFT"),
        picture("b.jpg", None, "2026-05-05T07:30:01", "SHARK"),
        picture("c.jpg", "deck/2", "2026-05-05T07:31:00", "NoF"),
        picture("d.jpg", "deck/2", "2026-05-05T07:30:00.250", "DOL"),
        picture("e.jpg", "deck/2", None, "DOL"),
        TORN,
    ]
    out = write_run(["camio"], records, tmp_path) / "camio"
    assert sorted(path.name for path in out.iterdir()) == ["deck%2F2.json", "no%20camera.json"]
    body = json.loads((out / "deck%2F2.json").read_text())
    assert body["status"] == "success"
    assert list(body["labels"]) == ["2026-05-05T07:30:00.250", "2026-05-05T07:31:00"]
    both = body["labels"]["2026-05-05T07:30:00.250"]
    assert both == {
        "yellowfin tuna": {"probability": 0.93, "polygon": []},
        "mahi mahi": {"probability": 0.93, "polygon": []},
    }
    assert "camio: 2 pictures" in capsys.readouterr().err


def test_camio_takes_a_threshold_and_polygons(tmp_path: Path) -> None:
    record = Record(
        "a.jpg",
        plain_result("a.jpg", one_fish()),
        origin=Origin("aft", None, "2026-05-05T07:30:00"),
    )
    options = FormatOptions(threshold=0.9, polygons=True)
    out = write_run(["camio"], [record], tmp_path, options=options)
    assert json.loads((out / "camio/aft.json").read_text())["labels"] == {"2026-05-05T07:30:00": {}}
    out = write_run(["camio"], [record], tmp_path, options=replace(options, threshold=0.8))
    [labels] = json.loads((out / "camio/aft.json").read_text())["labels"].values()
    assert len(labels["yellowfin tuna"]["polygon"]) == 4


def submission(out: Path) -> list[dict[str, str]]:
    return rows(out / "submission.csv")


def test_a_submission_is_as_the_competition_wants_it(tmp_path: Path) -> None:
    sure = Result(
        "YFT", {code: float(code == "YFT") for code in INFO.codes}, (),
        plain_result("x").image, INFO.release,
    )  # fmt: skip
    records = [Record("ncfm/test_stg1/img_00005.jpg", sure), Record("test_stg2/image_1.jpg", sure)]
    out = write_run(["submission"], [*records, TORN], tmp_path)
    header = (out / "submission.csv").read_text().splitlines()[0]
    assert header == "image,ALB,BET,DOL,LAG,NoF,OTHER,SHARK,YFT"
    found = submission(out)
    assert [row["image"] for row in found] == ["img_00005.jpg", "test_stg2/image_1.jpg", "torn.jpg"]
    for row in found:
        values = [float(row[code]) for code in NCFM.codes]
        assert math.isclose(sum(values), 1, abs_tol=1e-12)
        assert min(values) > 9e-7
    assert float(found[0]["YFT"]) > 0.99999
    assert {float(found[2][code]) for code in NCFM.codes} == {0.125}


def test_other_species_are_other_fish_in_a_submission(tmp_path: Path) -> None:
    info = RunInfo(ReleaseInfo("demo", 1), DEMO.species, "0.3.0")
    likelihoods = {"NoF": 0.1, "OTHER": 0.2, "SHARK": 0.3, "RAY": 0.4}
    result = Result("RAY", likelihoods, (), plain_result("x").image, info.release)
    [row] = submission(write_run(["submission"], [Record("a.jpg", result)], tmp_path, info))
    assert float(row["OTHER"]) == pytest.approx(0.6, abs=1e-5)
    assert float(row["ALB"]) == pytest.approx(1e-6, rel=1e-4)


def test_labels_alone_are_no_submission(tmp_path: Path) -> None:
    record = Record("a.jpg", replace(plain_result("a.jpg"), likelihoods={}))
    with pytest.raises(DeckwatchError, match="has a label but no likelihoods"):
        write_run(["submission"], [record], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_parquet_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'deckwatch\[parquet\]'"):
        check_formats(["parquet"], INFO, FormatOptions())


def test_parquet_is_read_by_arrow_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    monkeypatch.setattr("deckwatch_client.formats.parquet._ROWS", 40)
    records = some_records(count=100)
    out = write_run(["parquet"], records, tmp_path)
    pq: Any = pyarrow.parquet
    table = pq.read_table(out / "results.parquet")
    assert table.num_rows == len(records)
    assert table.column("file").to_pylist() == [record.name for record in records]
    assert pq.ParquetFile(out / "results.parquet").num_row_groups == len(records) // 40 + 1


def test_another_releases_classes_do_not_fit_the_columns(tmp_path: Path) -> None:
    other = replace(plain_result("a.jpg"), likelihoods={"NoF": 0.2, "EEL": 0.8}, label="EEL")
    with pytest.raises(DeckwatchError, match=r"a.jpg was recognised .* \(EEL\)"):
        write_run(["csv"], [Record("a.jpg", other)], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_aborted_run_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    write_run([name], some_records(count=3), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    writers = open_writers([name], INFO, tmp_path, PixelSource(), WHERE)
    for record in some_records(1, count=9):
        writers.write(record)
    assert set(tmp_path.rglob("*")) >= before.keys()
    writers.abort()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_is_finished_where_one_writer_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deckwatch_client.formats.coco.CocoWriter.close", fail)
    with pytest.raises(OSError, match="No space"):
        write_run(["coco", "yolo"], some_records(count=3), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["jsonl", "csv", "megadetector", "coco", "coco-results", "parquet"]
)
def test_a_full_disk_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    """/dev/full takes every write and refuses every flush."""
    writers = open_writers([name], INFO, tmp_path, PixelSource(), WHERE)
    for record in some_records(count=3):
        writers.write(record)
    full = os.open("/dev/full", os.O_WRONLY)
    for descriptor in open_parts(tmp_path):
        os.dup2(full, descriptor)
    os.close(full)
    with pytest.raises(OSError, match="No space left"):
        writers.close()
    assert list(tmp_path.iterdir()) == []


def open_parts(folder: Path) -> list[int]:
    """Descriptors of this process that are open on files of a folder, deleted ones as well."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(os.readlink(link)).startswith(str(folder)):
                found.append(int(link.name))
    return found
