"""Files of other programs, read as their formats' documents describe them, and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deckwatch_client.formats.contract import FormatOptions
from deckwatch_client.formats.detect import detect, read_results
from deckwatch_client.formats.table import FORMATS
from deckwatch_client.records import Moment, Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.images import encode_jpeg
from tests.client.formats.some_records import some_records, write_run


def read(path: Path, name: str | None = None, **options: Any) -> list[Record]:
    return list(read_results(path, name, FormatOptions(**options))[1])


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """deck.jpg and night/sea.jpg of 200 x 100 pixels."""
    folder = tmp_path / "images"
    (folder / "night").mkdir(parents=True)
    for name in ("deck.jpg", "night/sea.jpg"):
        (folder / name).write_bytes(encode_jpeg(np.zeros((100, 200, 3), np.uint8)))
    return folder


# As MegaDetector writes it: no classes, no sizes, old and new keys.
DETECTOR = {
    "images": [
        {
            "file": "deck.jpg",
            "detections": [
                {"category": "1", "conf": 0.8, "bbox": [0.1, 0.2, 0.5, 0.5]},
                {"category": "2", "conf": 0.9, "bbox": [0.0, 0.0, 0.1, 0.1]},
            ],
        },
        {"file": "night/sea.jpg", "detections": [], "failure": None},
        {"file": "torn.jpg", "detections": None, "failure": "Failure image access"},
    ],
    "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
    "info": {"format_version": "1.6", "detector": "md_v5a.0.0.pt"},
}


def test_an_animal_of_megadetectors_is_a_fish_and_a_person_none(
    tmp_path: Path, pictures: Path
) -> None:
    path = write_json(tmp_path / "md.json", DETECTOR)
    deck, sea, torn = read(path, pictures=pictures)
    assert deck.result is not None
    [fish] = deck.result.fish
    assert (fish.label, fish.score, fish.box) == ("OTHER", 0.8, (20.0, 20.0, 120.0, 70.0))
    assert deck.result.label == "OTHER"
    assert deck.result.release.name == "md_v5a.0.0.pt"
    assert sea.result is not None
    assert (sea.result.label, sea.result.fish) == ("NoF", ())
    assert torn.failure is not None
    assert torn.failure.message == "Failure image access"


def test_without_the_pictures_their_sizes_are_asked_for(tmp_path: Path) -> None:
    path = write_json(tmp_path / "md.json", DETECTOR)
    with pytest.raises(UsageError, match=r"size of deck\.jpg .* --pictures"):
        read(path)


def test_classifications_name_the_species(tmp_path: Path) -> None:
    entry = {
        "file": "deck.jpg", "width": 200, "height": 100,
        "detections": [
            {"category": "1", "conf": 0.8, "bbox": [0, 0, 1, 1],
             "classifications": [["7", 0.6], ["4", 0.4]]},
            {"category": "1", "conf": 0.7, "bbox": [0, 0, 1, 1], "classifications": []},
        ],
    }  # fmt: skip
    content = DETECTOR | {
        "images": [entry],
        "classification_categories": {"4": "blank", "7": "Yellowfin Tuna", "9": "red snapper"},
    }
    info, records = read_results(write_json(tmp_path / "md.json", content), None, FormatOptions())
    assert info.codes == ("NoF", "YFT", "red snapper", "OTHER")
    [record] = records
    assert record.result is not None
    assert [fish.label for fish in record.result.fish] == ["YFT", "OTHER"]


def test_frames_of_a_foreign_video_get_their_times_from_its_rate(tmp_path: Path) -> None:
    entry = {
        "file": "haul.mp4", "frame_rate": 20, "frames_processed": [0, 20, 40],
        "width": 200, "height": 100,
        "detections": [{"category": "1", "conf": 0.5, "bbox": [0, 0, 1, 1], "frame_number": 20}],
    }  # fmt: skip
    found = read(write_json(tmp_path / "md.json", DETECTOR | {"images": [entry]}))
    assert [record.moment for record in found] == [
        Moment("haul.mp4", 0.0, 0), Moment("haul.mp4", 1.0, 20), Moment("haul.mp4", 2.0, 40),
    ]  # fmt: skip
    assert [len(record.result.fish) for record in found if record.result] == [0, 1, 0]


def test_the_size_of_a_foreign_video_is_that_of_its_frames(tmp_path: Path) -> None:
    video = cv2.VideoWriter(
        str(tmp_path / "haul.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48)
    )
    for _ in range(5):
        video.write(np.zeros((48, 64, 3), np.uint8))
    video.release()
    entry = {
        "file": "haul.avi", "frame_rate": 10, "frames_processed": [0],
        "detections": [{"category": "1", "conf": 0.5, "bbox": [0, 0, 1, 1], "frame_number": 0}],
    }  # fmt: skip
    path = write_json(tmp_path / "md.json", DETECTOR | {"images": [entry]})
    [record] = read(path, pictures=tmp_path)
    assert record.result is not None
    assert record.result.fish[0].box == (0.0, 0.0, 64.0, 48.0)
    with pytest.raises(UsageError, match=r"size of haul\.avi .* --pictures"):
        read(path)


def test_people_annotate_without_scores(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 9, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 5, "bbox": [10, 20, 30, 40], "iscrowd": 0},
            {"id": 2, "image_id": 9, "category_id": 5, "bbox": [0, 0, 640, 480], "iscrowd": 1},
        ],
        "categories": [{"id": 5, "name": "Thunnus obesus"}],
    }
    [record] = read(write_json(tmp_path / "truth.json", content))
    assert record.result is not None
    [fish] = record.result.fish
    assert (fish.label, fish.score, fish.box) == ("BET", 1.0, (10.0, 20.0, 40.0, 60.0))


def test_results_alone_need_the_images(tmp_path: Path) -> None:
    path = write_json(tmp_path / "r.json", [])
    with pytest.raises(UsageError, match="--images"):
        read(path)


@pytest.mark.parametrize(
    "names",
    [
        {"data.yaml": "path: .\nnames: [albacore tuna, 'SHARK']\nnc: 2\n"},
        {"data.yaml": 'nc: 2\nnames:\n  0: ALB\n  1: "SHARK"\ntrain: images\n'},
        {"data.yaml": "names:\n- ALB\n- shark\nval: images\n"},
        {"classes.txt": "ALB\nSHARK\n"},
    ],
)
def test_yolo_files_beside_their_pictures(
    names: dict[str, str], tmp_path: Path, pictures: Path
) -> None:
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "labels" / "night").mkdir(parents=True)
    (tmp_path / "labels" / "deck.txt").write_text("1 0.5 0.5 0.2 0.4\n0 0.5 0.5 1 1 0.25\n")
    (tmp_path / "labels" / "night" / "sea.txt").write_text("")
    deck, sea = read(tmp_path)
    assert deck.result is not None
    assert [(fish.label, fish.score, fish.box) for fish in deck.result.fish] == [
        ("SHARK", 1.0, (80.0, 30.0, 120.0, 70.0)),
        ("ALB", 0.25, (0.0, 0.0, 200.0, 100.0)),
    ]
    assert sea.name == "night/sea.jpg"
    assert sea.result is not None
    assert sea.result.fish == ()


def test_a_camtrap_package_of_others(tmp_path: Path, pictures: Path) -> None:
    write_json(tmp_path / "datapackage.json", {"taxonomic": [{"scientificName": "Mola mola"}]})
    (tmp_path / "deployments.csv").write_text("deploymentID,cameraID\ndep1,320\n")
    (tmp_path / "media.csv").write_text(
        "mediaID,deploymentID,timestamp,filePath\n"
        "m1,dep1,2020-05-30T02:57:37Z,deck.jpg\nm2,dep1,2020-05-30T02:58:00Z,night/sea.jpg\n"
    )
    (tmp_path / "observations.csv").write_text(
        "observationID,mediaID,eventStart,observationLevel,observationType,scientificName,"
        "bboxX,bboxY,bboxWidth,bboxHeight,classificationProbability\n"
        "o1,m1,2020-05-30T02:57:37Z,media,animal,Mola mola,0.1,0.2,0.5,0.5,0.8\n"
        "o2,m1,2020-05-30T02:57:37Z,media,human,,,,,,\n"
        "o3,,2020-05-30T02:57:37Z,event,animal,Mola mola,,,,,\n"
        "o4,m2,2020-05-30T02:58:00Z,media,blank,,,,,,\n"
    )
    deck, sea = read(tmp_path, pictures=pictures)
    assert deck.result is not None
    [fish] = deck.result.fish
    assert (fish.label, fish.score, fish.box) == ("Mola mola", 0.8, (20.0, 20.0, 120.0, 70.0))
    assert (deck.name, deck.origin.camera) == ("deck.jpg", "320")
    assert deck.origin.captured_at == "2020-05-30T02:57:37Z"
    assert sea.result is not None
    assert sea.result.label == "NoF"


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.reads])
def test_every_format_is_found_out(name: str, tmp_path: Path) -> None:
    write_run([name], some_records(count=3), tmp_path)
    written = tmp_path / FORMATS[name].writes[0]
    assert detect(written) == name
    if name != "coco-results":
        assert detect(tmp_path) == name
    if written.is_file() and written.suffix in (".json", ".jsonl"):
        renamed = written.rename(tmp_path / "results.json")
        assert detect(renamed) == name


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "empty.json"])
def test_what_cannot_be_told_is_asked_for(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}" if name.endswith("json") else "a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"cannot be told\. Give --from with one of: jsonl, csv"):
        read(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be told"):
        read(tmp_path)


def test_a_format_that_is_only_written_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="camio is only written"):
        read(tmp_path, "camio")
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "gone")


IMAGE = {"id": 1, "file_name": "a", "width": 9, "height": 9}
ALBACORE = [{"id": 1, "name": "ALB"}]
BROKEN: list[tuple[str, object, str]] = [
    ("md", DETECTOR | {"images": [{"detections": []}]}, r"images\[0\]: file is 'missing'"),
    ("md", DETECTOR | {"images": [7]}, r"images\[0\] is 7, expected an object"),
    (
        "md",
        DETECTOR | {"images": [{"file": "a", "width": 9, "height": 9, "detections": 3}]},
        r"images\[0\]: detections is 3, expected a list",
    ),
    (
        "coco",
        {"images": [IMAGE | {"height": None}], "annotations": [], "categories": []},
        r"images\[0\]: height is None, expected a number",
    ),
    (
        "coco",
        {
            "images": [IMAGE],
            "categories": ALBACORE,
            "annotations": [{"image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]}],
        },
        r"annotations\[0\]: category_id is 4",
    ),
    (
        "coco",
        {
            "images": [IMAGE],
            "categories": ALBACORE,
            "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}],
        },
        r"annotations\[0\]: bbox is \[1, 2, 3\], expected a list of 4 numbers",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_broken_file_is_named_with_its_field(
    name: str, content: object, message: str, tmp_path: Path
) -> None:
    path = write_json(tmp_path / f"{name}.json", content)
    with pytest.raises(DeckwatchError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [{"file": "a", ]}', "at character 26"),
        ('{"images": [', "at character 12"),
        ('{"images": []} more', "more after the end, at character 15"),
        ('{"images": [{"file": "a"} {"file": "b"}]}', "',' expected, found '{'"),
        ("{3: 4}", "a key is 3, at character 2"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_broken_json_is_told_by_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DeckwatchError, match=message):
        read(path, "megadetector")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",0.9,", ",high,", r"fish\.csv, line 2: score is 'high', not a number"),
        (",YFT,", ",,", r"fish\.csv, line 2: label is empty"),
        ("picture,fish,x1", "picture,fish,left", r"has no column x1; it has picture"),
    ],
)
def test_a_broken_table_is_named_with_line_and_column(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    from tests.client.formats.some_records import one_fish, plain_result

    write_run(["csv"], [Record("a.jpg", plain_result("a.jpg", one_fish()))], tmp_path)
    fish = tmp_path / "fish.csv"
    changed = fish.read_text().replace(old, new, 1)
    assert changed != fish.read_text()
    fish.write_text(changed)
    with pytest.raises(DeckwatchError, match=message):
        read(tmp_path)


def test_a_table_that_lost_rows_is_told(tmp_path: Path) -> None:
    write_run(["csv"], some_records(count=30), tmp_path)
    fish = tmp_path / "fish.csv"
    fish.write_text(fish.read_text().splitlines()[0] + "\n")
    with pytest.raises(DeckwatchError, match=r"pictures\.csv, line \d+: fish is \d, but"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.5 0.5", r"deck\.txt, line 1: '1 0\.5 0\.5'"),
        ("x 1 1 1 1", "expected class x y"),
        ("9 1 1 1 1", "class 9 has no name"),
        ("1 1 1 1 nan", "expected class x y"),
    ],
)
def test_a_broken_yolo_line_is_named(
    line: str, message: str, tmp_path: Path, pictures: Path
) -> None:
    (tmp_path / "names.txt").write_text("ALB\nBET\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "deck.txt").write_text(line)
    with pytest.raises(DeckwatchError, match=message):
        read(tmp_path)


def test_run_json_tells_what_a_table_does_not(tmp_path: Path) -> None:
    from tests.client.formats.some_records import INFO

    write_run(["csv"], some_records(count=9), tmp_path)
    info, _ = read_results(tmp_path, None, FormatOptions())
    assert info.deckwatch == ""
    write_json(tmp_path / "run.json", INFO.as_dict())
    info, _ = read_results(tmp_path / "fish.csv", None, FormatOptions())
    assert info == INFO
    other = RunInfo(INFO.release, INFO.species[:5], "0.3.0").as_dict()
    write_json(tmp_path / "run.json", other)
    info, _ = read_results(tmp_path / "fish.csv", None, FormatOptions())
    assert info.deckwatch == ""
