"""`deckwatch data import`: labels, sizes, files that are missing or broken, adding and copying."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from deckwatch_training import catalogue, looks
from deckwatch_training.catalogue import Box, Entry
from deckwatch_training.dataset import read_coco
from deckwatch_training.importing import read_problems
from deckwatch_training.label_map import load
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import decode, encode_jpeg
from tests.training.data.helpers import coco, deckwatch_data, rows, save, with_orientation
from tests.training.data.test_importers import write_ncfm

CONFIGS = Path(__file__).parents[3] / "training/configs"
FISH = "labels: {fish: OTHER, shark: SHARK}\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.yaml"
    path.write_text(FISH)
    return path


def entries(folder: Path) -> dict[str, Entry]:
    return {Path(entry.file).name: entry for entry in catalogue.read(folder).entries}


def test_ncfm_from_kaggles_folders_to_a_data_set(tmp_path: Path) -> None:
    source = write_ncfm(tmp_path / "kaggle")
    (tmp_path / "train_images.csv").write_text(
        "image,class,width,height,n_boxes,boat_tchaton\nimg_07917.jpg,ALB,1280,720,1,2\n"
        "img_07657.jpg,ALB,1280,720,1,13\nimg_11111.jpg,ALB,1280,720,1,5\n"
    )
    done = deckwatch_data(
        "import", source, "--out", tmp_path / "data", "--facts", tmp_path / "train_images.csv",
        "--column", "vessel=boat_tchaton", "--licence", "competition", code=3,
    )  # fmt: skip
    found = entries(tmp_path / "data")
    assert len(found) == 7
    assert found["img_07917.jpg"].vessel == "2"
    assert found["img_07917.jpg"].licence == "competition"
    # The box that leaves its frame is clipped to it.
    box = found["img_07657.jpg"].boxes[0]
    assert (box.y, box.y + box.height) == (532.2400141140421, 720)
    assert found["img_00008.jpg"].label == "NoF"
    assert "1 boxes left the picture and were clipped" in done.stderr
    assert "1 images of --facts are not in the source: img_11111.jpg" in done.stderr
    missing = read_problems(tmp_path / "data/problems.csv")
    assert [Path(p.file).name for p in missing] == ["img_06082.jpg"]
    assert "missing" in missing[0].what


def test_what_is_imported_is_to_training_what_was_read_before(tmp_path: Path, labels: Path) -> None:
    """A run on COCO files with a map in its configuration goes on with the imported data set."""
    images = []
    for i in range(6):
        save(tmp_path / f"aq/{i % 2}/IMG_{i:03}.jpg", i)
        images.append({"file_name": f"{i % 2}/IMG_{i:03}.jpg", "width": 96, "height": 72})
    boxes = [(0, "fish", [10.3, 20.1, 30.7, 9.9]), (1, "shark", [-3.2, 5, 40, 90.5]),
             (1, "fish", [95, 70, 0.6, 0.6]), (4, "fish", [0.1, 0.2, 95.9, 71.8])]  # fmt: skip
    path = coco(tmp_path / "aq/train.json", images, boxes)
    deckwatch_data("import", path, "--out", tmp_path / "data", "--labels", labels)
    codes = yaml.safe_load(FISH)["labels"]
    before = read_coco(path)
    before.pictures = [
        replace(p, names=tuple(codes[name] for name in p.names)) for p in before.pictures
    ]
    assert read_coco(tmp_path / "data").digest() == before.digest()
    kept = entries(tmp_path / "data")["IMG_000.jpg"]
    assert kept.boxes == (Box("OTHER", 10.3, 20.1, 30.7, 9.9),)  # to the last digit
    assert (kept.vessel, kept.camera, kept.group, kept.night) == (None, None, None, None)


def test_names_without_a_code_are_listed_in_a_map_to_paste(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    boxes = [(0, name, [1, 1, 20, 20]) for name in ("Blue shark", "yes", "Yellowfin tuna", "fish")]
    path = coco(
        tmp_path / "a.json", [{"file_name": "a.jpg", "width": 96, "height": 72}],
        [*boxes, boxes[0]],  # type: ignore[list-item]
    )  # fmt: skip
    done = deckwatch_data("import", path, "--out", tmp_path / "data", code=2)
    assert "4 labels (5 boxes or pictures)" in done.stderr
    pasted = re.search(r"\n(labels:\n(?:  .*\n)+)", done.stderr)
    assert pasted
    (tmp_path / "labels.yaml").write_text(pasted[1])
    assert dict(load(tmp_path / "labels.yaml").codes) == {
        "Blue shark": "SHARK", "yes": "OTHER", "Yellowfin tuna": "YFT", "fish": "OTHER",
    }  # fmt: skip
    assert not (tmp_path / "data").exists()
    deckwatch_data("import", path, "--out", tmp_path / "data", "--labels", tmp_path / "labels.yaml")
    assert len(entries(tmp_path / "data")["a.jpg"].boxes) == 5


def test_a_label_map_drops_and_describes(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    save(tmp_path / "b.jpg", 1)
    path = coco(
        tmp_path / "a.json",
        [{"file_name": name, "width": 96, "height": 72} for name in ("a.jpg", "b.jpg")],
        [(0, "swordfish", [1, 1, 20, 20]), (0, "buoy", [1, 1, 20, 20]), (1, "crew", [0, 0, 9, 9])],
    )
    (tmp_path / "labels.yaml").write_text(
        "labels: {swordfish: SWO, buoy: drop, crew: null}\nspecies:\n"
        "- {code: SWO, common_name: swordfish, scientific_name: Xiphias gladius, fao_code: SWO,\n"
        "   camio_label: swordfish, sensitive: true}\n"
    )
    done = deckwatch_data(
        "import", path, "--out", tmp_path / "data", "--labels", tmp_path / "labels.yaml"
    )
    assert "2 boxes were dropped" in done.stderr
    assert "1 pictures have no box left" in done.stderr
    found = catalogue.read(tmp_path / "data")
    assert found.labels() == ("SWO",)
    assert found.info["species"][0]["scientific_name"] == "Xiphias gladius"
    # Its own description comes along: the checks know the code.
    assert "code" not in json.loads(deckwatch_data("check", tmp_path / "data", "--json").stdout)[
        "counts"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("labels: {a: XYZ}", "no species XYZ"),
        ("labels: {on: ALB}", "Quote it"),
        ("labels: {a: [ALB]}", "is no code"),
        ("labels: {a: SWO}\nspecies: [{code: SWO}]", "common_name"),
        ("- a", "no mapping"),
    ],
)
def test_a_wrong_label_map_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(UsageError, match=told) as found:
        load(tmp_path / "map.yaml")
    assert "map.yaml" in found.value.message


@pytest.mark.parametrize("name", ["aquarium", "fishnet", "megadetector"])
def test_the_label_maps_that_come_along_are_good(name: str) -> None:
    assert load(CONFIGS / f"labels-{name}.yaml").codes


def test_missing_and_broken_pictures_are_listed_and_the_rest_goes_on(
    tmp_path: Path, labels: Path
) -> None:
    good = save(tmp_path / "good.jpg")
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:-400])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("this is no picture")
    names = ("good.jpg", "cut.jpg", "empty.jpg", "text.jpg", "gone.jpg", "good.jpg")
    path = coco(
        tmp_path / "a.json", [{"file_name": n, "width": 96, "height": 72} for n in names], []
    )
    done = deckwatch_data("import", path, "--out", tmp_path / "data", "--labels", labels, code=3)
    assert list(entries(tmp_path / "data")) == ["good.jpg"]
    told = {Path(row["file"]).name: row for row in rows(tmp_path / "data/problems.csv")}
    assert set(told) == {"cut.jpg", "empty.jpg", "text.jpg", "gone.jpg", "good.jpg"}
    assert "missing" in told["gone.jpg"]["what"]
    assert "truncated" in told["cut.jpg"]["what"]
    assert "listed again" in told["good.jpg"]["what"]
    assert all(row["do"] for row in told.values())
    assert "5 problems, 5 cost a picture or a box" in done.stderr


def test_boxes_follow_the_picture_that_a_camera_held_sideways(tmp_path: Path, labels: Path) -> None:
    """Stored 96 x 72, upright 72 x 96; a red spot tells where the box has to be."""
    canvas = np.full((72, 96, 3), 90, np.uint8)
    canvas[10:30, 50:90] = (220, 30, 30)
    images = []
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.jpg"
        path.write_bytes(encode_jpeg(canvas, 95))
        with_orientation(path, orientation)
        images.append({"file_name": path.name, "width": 96, "height": 72})
    stored = [(i, "fish", [50, 10, 40, 20]) for i in (0, 4, 5, 6, 7)]
    source = coco(tmp_path / "a.json", images, stored)  # type: ignore[arg-type]
    done = deckwatch_data("import", source, "--out", tmp_path / "data", "--labels", labels)
    found = entries(tmp_path / "data")
    for orientation in (1, 5, 6, 7, 8):
        entry = found[f"{orientation}.jpg"]
        (box,) = entry.boxes
        pixels = decode((tmp_path / entry.file).read_bytes())
        assert pixels.shape[:2] == (entry.height, entry.width)
        red = (pixels[:, :, 0].astype(int) - pixels[:, :, 1]) > 80
        ys, xs = np.nonzero(red)
        edges = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
        assert edges == pytest.approx((xs.min(), ys.min(), xs.max(), ys.max()), abs=1.5)
    assert "4 pictures had boxes drawn on another size or not upright" in done.stderr


def test_boxes_are_scaled_with_a_picture_and_refused_on_another(
    tmp_path: Path, labels: Path
) -> None:
    save(tmp_path / "small.jpg")
    save(tmp_path / "other.jpg", 1)
    path = coco(
        tmp_path / "a.json",
        [{"file_name": "small.jpg", "width": 960, "height": 720},
         {"file_name": "other.jpg", "width": 720, "height": 720}],
        [(0, "fish", [100, 200, 300, 400]), (1, "fish", [1, 2, 30, 40])],
    )  # fmt: skip
    deckwatch_data("import", path, "--out", tmp_path / "data", "--labels", labels, code=3)
    found = entries(tmp_path / "data")
    assert found["small.jpg"].boxes == (Box("OTHER", 10, 20, 30, 40),)
    assert "labelled as 720 x 720" in rows(tmp_path / "data/problems.csv")[0]["what"]


def test_a_second_source_is_added_and_nothing_is_written_over(tmp_path: Path) -> None:
    first, second = tmp_path / "trips/one", tmp_path / "trips/two"
    save(first / "SHARK/a.jpg", 0)
    save(second / "ALB/b.jpg", 1)
    data = tmp_path / "data"
    deckwatch_data("import", first, "--out", data, "--vessel", "Aurora", "--split", "valid")
    before = (data / "data.json").read_bytes()
    with pytest.raises(UsageError, match="--add"):
        deckwatch_data("import", second, "--out", data)
    assert (data / "data.json").read_bytes() == before
    deckwatch_data("import", second, "--out", data, "--add", "--camera", "2", "--guess-night")
    found = catalogue.read(data)
    assert [(e.file, e.label, e.vessel, e.camera, e.split) for e in found.entries] == [
        ("one/SHARK/a.jpg", "SHARK", "Aurora", None, "valid"),
        ("two/ALB/b.jpg", "ALB", None, "2", None),
    ]
    assert [e.night for e in found.entries] == [None, False]
    assert all(found.path(entry).exists() for entry in found.entries)
    with pytest.raises(UsageError, match=r"1 pictures .*--replace"):
        deckwatch_data("import", first, "--out", data, "--add")
    deckwatch_data("import", first, "--out", data, "--add", "--replace", "--vessel", "Borealis")
    assert [e.vessel for e in catalogue.read(data).entries] == ["Borealis", None]
    assert len(looks.read(data)) == 2


def test_pictures_are_copied_where_asked(tmp_path: Path) -> None:
    """Two sources have a picture of one name, which are two pictures."""
    data = tmp_path / "data"
    for i, trip in enumerate(("one", "two")):
        save(tmp_path / trip / "ALB/a.jpg", i)
        deckwatch_data("import", tmp_path / trip, "--out", data, "--copy", "--add")
    found = catalogue.read(data)
    kept = [hashlib.sha256(found.path(e).read_bytes()).hexdigest() for e in found.entries]
    given = [
        hashlib.sha256((tmp_path / trip / "ALB/a.jpg").read_bytes()).hexdigest()
        for trip in ("one", "two")
    ]
    assert kept == given
    assert all(data in found.path(e).resolve().parents for e in found.entries)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--replace"], "goes with --add"),
        (["--split", "dev"], "no split 'dev'"),
        (["--column", "vessel"], "write fact=column"),
        (["--column", "vessel=boat_id"], "goes with --facts"),
        (["--facts", "{csv}", "--column", "vessel=ship"], "no ship"),
        (["--facts", "{csv}", "--column", "boat=image"], "no boat"),
        (["--facts", "{csv}"], "needs image, and at least one of"),
        (["--facts", "{none}"], "Cannot read"),
        (["--labels", "{none}"], "Cannot read"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, words: list[str], told: str) -> None:
    save(tmp_path / "in/ALB/a.jpg")
    (tmp_path / "facts.csv").write_text("image,boat_id\na.jpg,1\n")
    places = {"csv": tmp_path / "facts.csv", "none": tmp_path / "none"}
    with pytest.raises(UsageError, match=told):
        deckwatch_data(
            "import", tmp_path / "in", "--out", tmp_path / "out",
            *(word.format(**places) for word in words),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_facts_of_two_pictures_with_one_name_are_told_apart_by_the_path(tmp_path: Path) -> None:
    for i, trip in enumerate(("one", "two")):
        save(tmp_path / f"in/{trip}/ALB/a.jpg", i)
    (tmp_path / "facts.csv").write_text(
        "image,vessel,night\none/ALB/a.jpg,Aurora,yes\ntwo/ALB/a.jpg,Borealis,no\n"
    )
    deckwatch_data(
        "import", tmp_path / "in", "--out", tmp_path / "data", "--facts", tmp_path / "facts.csv"
    )
    found = catalogue.read(tmp_path / "data").entries
    assert [(e.vessel, e.night) for e in found] == [("Aurora", True), ("Borealis", False)]
    # The competition's table has -1 where nobody knows the boat.
    (tmp_path / "facts.csv").write_text("image,boat\none/ALB/a.jpg,-1\ntwo/ALB/a.jpg,0\n")
    deckwatch_data(
        "import", tmp_path / "in", "--out", tmp_path / "c", "--facts", tmp_path / "facts.csv",
        "--column", "vessel=boat",
    )  # fmt: skip
    assert [e.vessel for e in catalogue.read(tmp_path / "c").entries] == [None, "0"]
    (tmp_path / "facts.csv").write_text("image,vessel\na.jpg,Aurora\na.jpg,Borealis\n")
    with pytest.raises(UsageError, match=r"different things of a\.jpg"):
        deckwatch_data(
            "import", tmp_path / "in", "--out", tmp_path / "b", "--facts", tmp_path / "facts.csv"
        )
