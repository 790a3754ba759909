"""Every format that is read, with what is peculiar about it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.parsers.expat import ExpatError

import pytest

from deckwatch_training import importers
from deckwatch_training.catalogue import Box
from deckwatch_training.importers.source import Found, Problem, Source
from deckwatch_training.importers.voc import parse_xml
from deckwatch_vision.errors import UsageError
from tests.training.data.helpers import coco, save


def read(source: Source, wanted: str) -> tuple[dict[str, Found], list[Problem]]:
    """By bare name, with the format that `auto` takes."""
    name, importer = importers.find("auto", source.path)
    assert name == wanted
    found, problems = {}, []
    for item in importer.read(source):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            found[item.path.name] = item
    return found, problems


# The first rows of the community's boxes (MIT), as they are; the last leaves its 1280 x 720 frame.
NCFM_ROWS = {
    "alb": [
        {"class": "image", "filename": "../data/train/ALB/img_07917.jpg", "annotations": [
            {"class": "rect", "x": 547.1578480789353, "y": 193.3597426816281,
             "width": 383.68430384213445, "height": 151.06975503141317}]},
        {"class": "image", "filename": "img_07915.jpg", "annotations": [
            {"class": "rect", "x": 469.0, "y": 448.0, "width": 166.0, "height": 65.0},
            {"class": "rect", "x": 92.0, "y": 495.0, "width": 98.0, "height": 143.0}]},
        {"class": "image", "filename": "img_07008.jpg", "annotations": []},
        {"class": "image", "filename": "img_07657.jpg", "annotations": [
            {"class": "rect", "x": 585.295585141233, "y": 532.2400141140421,
             "width": 119.58557279144611, "height": 189.48418223996748}]},
    ],
    "shark": [
        {"class": "image", "filename": "img_07860.jpg", "annotations": [
            {"class": "rect", "x": 538.0, "y": 352.0, "width": 66.0, "height": 150.0}]},
        {"class": "image", "filename": "img_06082.jpg"},
    ],
}  # fmt: skip


def write_ncfm(folder: Path) -> Path:
    """The competition's folders with pictures of the listed size, and two box files."""
    picture = save(folder / "train/ALB/img_07917.jpg", 1, 1280, 720)
    for place in (
        "ALB/img_07915", "ALB/img_07008", "ALB/img_07657", "SHARK/img_07860", "NoF/img_00008",
        "BET/img_09999", "../test_stg1/img_00005",
    ):  # fmt: skip
        target = folder / f"train/{place}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    (folder / "boxes").mkdir()
    for name, given in NCFM_ROWS.items():
        (folder / f"boxes/{name}_labels.json").write_text(json.dumps(given))
    return folder


def test_ncfm_takes_boxes_from_the_jsons_and_classes_from_the_folders(tmp_path: Path) -> None:
    found, problems = read(Source(write_ncfm(tmp_path)), "ncfm")
    assert not problems
    assert [box.label for box in found["img_07917.jpg"].boxes] == ["ALB"]
    assert found["img_07917.jpg"].boxes[0].x == 547.1578480789353
    assert len(found["img_07915.jpg"].boxes) == 2
    # Without boxes the folder's class is the label, in all three ways of having none.
    for name, label in (("img_07008", "ALB"), ("img_00008", "NoF"), ("img_09999", "BET")):
        assert (found[f"{name}.jpg"].boxes, found[f"{name}.jpg"].label) == ((), label)
    # Listed, but not there: named where it was expected.
    assert found["img_06082.jpg"].path == tmp_path / "train/SHARK/img_06082.jpg"
    assert "img_00005.jpg" not in found  # the competition's test pictures have no class


def test_ncfm_says_where_a_folder_and_its_boxes_disagree(tmp_path: Path) -> None:
    write_ncfm(tmp_path)
    (tmp_path / "train/ALB/img_07915.jpg").rename(tmp_path / "train/BET/img_07915.jpg")
    found, problems = read(Source(tmp_path), "ncfm")
    assert [p.what for p in problems] == ["its folder says BET, its boxes say ALB"]
    assert not problems[0].lost
    assert found["img_07915.jpg"].boxes[0].label == "ALB"


def test_ncfm_boxes_may_lie_elsewhere_and_must_be_well_formed(tmp_path: Path) -> None:
    write_ncfm(tmp_path / "a")
    (tmp_path / "a/boxes").rename(tmp_path / "b")
    assert not read(Source(tmp_path / "a"), "ncfm")[0]["img_07915.jpg"].boxes
    found, _ = read(Source(tmp_path / "a", boxes=tmp_path / "b"), "ncfm")
    assert found["img_07915.jpg"].boxes
    rows = [{"filename": "a.jpg", "annotations": [{"x": 1}]}]
    (tmp_path / "b/yft_labels.json").write_text(json.dumps(rows))
    with pytest.raises(UsageError, match=r"yft_labels\.json, entry 1: KeyError"):
        read(Source(tmp_path / "a", boxes=tmp_path / "b"), "ncfm")


def test_coco_keeps_what_deckwatch_adds_and_the_licence(tmp_path: Path) -> None:
    path = coco(
        tmp_path / "a.json",
        [{"file_name": "x/a.jpg", "width": 96, "height": 72, "vessel": 7, "split": "val",
          "night": True, "license": 3}],
        [(0, "Tuna", [1, 2, 3, 4])],
    )  # fmt: skip
    document = json.loads(path.read_text())
    document["licenses"] = [{"id": 3, "name": "CC BY 4.0"}, {"id": 4, "name": "other"}]
    document["annotations"].append({"id": 9, "image_id": 99, "category_id": 0, "bbox": [0] * 4})
    document["annotations"].append({"id": 10, "image_id": 0, "category_id": 5, "bbox": [0] * 4})
    path.write_text(json.dumps(document))
    found, problems = read(Source(path), "coco")
    picture = found["a.jpg"]
    assert picture.path == tmp_path / "x/a.jpg"
    assert (picture.vessel, picture.split, picture.night) == ("7", "val", True)
    assert picture.licence == "CC BY 4.0"
    assert picture.boxes == (Box("Tuna", 1, 2, 3, 4),)
    assert [p.file for p in problems] == ["99", "x/a.jpg"]
    assert read(Source(path, images=tmp_path / "y"), "coco")[0]["a.jpg"].path.parent == (
        tmp_path / "y/x"
    )


VOC = """<annotation><folder>f</folder><filename>{name}</filename>
<size><width>96</width><height>72</height><depth>3</depth></size>
<object><name>dog fish</name><bndbox><xmin>10</xmin><ymin>20.5</ymin><xmax>40</xmax><ymax>50</ymax>
</bndbox><difficult>0</difficult></object>
<object><name>broken</name><bndbox><xmin>10</xmin></bndbox></object></annotation>"""


def test_voc_finds_the_picture_and_the_split(tmp_path: Path) -> None:
    save(tmp_path / "JPEGImages/a.jpeg")
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Annotations/a.xml").write_text(VOC.format(name="renamed.jpg"))
    (tmp_path / "Annotations/b.xml").write_text("<annotation>")
    (tmp_path / "ImageSets/Main/val.txt").write_text("a\n")
    found, problems = read(Source(tmp_path), "voc")
    assert found["a.jpeg"].boxes == (Box("dog fish", 10, 20.5, 30, 29.5),)
    assert (found["a.jpeg"].size, found["a.jpeg"].split) == ((96, 72), "valid")
    assert ["object 2" in problems[0].what, "no good XML" in problems[1].what] == [True, True]


def test_voc_refuses_entities_that_would_fill_the_memory() -> None:
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 9))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "fish">{levels}]><a>&e8;</a>'
    with pytest.raises(ValueError, match="document type"):
        parse_xml(bomb.encode())
    with pytest.raises(ExpatError):
        parse_xml(b"<a>&undeclared;</a>")


def test_yolo_with_data_yaml(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        save(tmp_path / split / "images/a.jpg", len(split))
        (tmp_path / split / "labels").mkdir()
    (tmp_path / "train/labels/a.txt").write_text(
        "0 0.5 0.5 0.5 0.25\n1 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\n1 0.5 0.5 0.2 0.2 0.93\n"
        "\n7 1 1 1 1\n"
    )
    # As one exporter writes it, from where the file does not lie.
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [fish, shark]\n"
    )
    source = Source(tmp_path)
    name, importer = importers.find("auto", tmp_path)
    items = list(importer.read(source))
    problems = [item for item in items if isinstance(item, Problem)]
    found = {item.split: item for item in items if isinstance(item, Found)}
    assert name == "yolo"
    assert found["train"].relative
    assert found["train"].boxes[0] == Box("fish", 0.25, 0.375, 0.5, 0.25)
    outline = found["train"].boxes[1]
    assert (outline.x, outline.y, outline.width) == pytest.approx((0.1, 0.1, 0.2))
    assert len(found["train"].boxes) == 3
    assert found["valid"].boxes == ()  # no text: nothing on it
    assert ["line 5" in p.file for p in problems] == [True]


def test_yolo_with_a_file_of_classes(tmp_path: Path) -> None:
    save(tmp_path / "images/train/a.jpg")
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/a.txt").write_text("1 .5 .5 1 1")
    (tmp_path / "names").write_text("fish\nray\n")
    with pytest.raises(UsageError, match="names no classes"):
        list(importers.IMPORTERS["yolo"].read(Source(tmp_path)))
    (item,) = importers.IMPORTERS["yolo"].read(Source(tmp_path, classes=tmp_path / "names"))
    assert isinstance(item, Found)
    assert (item.boxes[0].label, item.split) == ("ray", "train")


def test_csv_with_boxes_labels_and_what_was_augmented(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "image,label,vessel,x,y,width,height,weight,source_image,steps\n"
        "a.jpg,ALB,Aurora,1,2,30,40,1,,\nb.jpg,NoF,,,,,,1,,\n"
        "a.jpg,BET,Aurora,5,6,7,8,1,,\na-1.jpg,ALB,Aurora,1,2,3,4,0.5,a.jpg,flip blur\n"
    )
    found, _ = read(Source(tmp_path / "labels.csv"), "csv")
    assert [box.label for box in found["a.jpg"].boxes] == ["ALB", "BET"]
    assert (found["a.jpg"].vessel, found["a.jpg"].label) == ("Aurora", None)
    assert found["b.jpg"].label == "NoF"
    assert found["a-1.jpg"].group == "a.jpg"


def test_fishnet(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    path = tmp_path / "foid_labels_v100.csv"
    path.write_text(
        "img_id,label_l1,label_l2,x_min,x_max,y_min,y_max,train,val,test\n"
        "abc,Yellowfin tuna,TUNA,10,40,5,25,True,False,False\n"
        "abc,Human,HUMAN,50,60,5,25,True,False,False\n"
        "def,No fish,NoF,,,,,False,True,False\nghi,Opah,FISH,1,x,1,2,False,False,True\n"
    )
    found, problems = read(Source(path), "fishnet")
    assert found["abc.jpg"].path == tmp_path / "images/abc.jpg"
    assert found["abc.jpg"].boxes[0] == Box("Yellowfin tuna", 10, 5, 30, 20)
    assert (found["abc.jpg"].split, found["def.jpg"].split) == ("train", "valid")
    assert found["def.jpg"].label == "No fish"
    assert ["line 5" in p.file for p in problems] == [True]
    grouped, _ = read(Source(path, level=2), "fishnet")
    assert grouped["abc.jpg"].boxes[0].label == "TUNA"


def test_megadetector(tmp_path: Path) -> None:
    path = tmp_path / "md.json"
    document = {
        "info": {"format_version": "1.4"},
        "detection_categories": {"1": "animal", "2": "person"},
        "classification_categories": {"0": "opah"},
        "images": [
            {"file": "deck\\a.jpg", "detections": [
                {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]},
                {"category": "1", "conf": 0.8, "bbox": [0, 0, 1, 1],
                 "classifications": [["0", 0.7]]},
                {"category": "2", "conf": 0.1, "bbox": [0, 0, 1, 1]}]},
            {"file": "empty.jpg", "detections": []},
            {"file": "bad.jpg", "failure": "Failure image access", "detections": None},
            {"file": "v.mp4", "frame_rate": 20, "frames_processed": [0], "detections": []},
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    found, problems = read(Source(path), "megadetector")
    assert found["a.jpg"].path == tmp_path / "deck/a.jpg"
    assert found["a.jpg"].relative
    assert [box.label for box in found["a.jpg"].boxes] == ["animal", "opah"]
    assert found["empty.jpg"].boxes == ()
    assert [p.file for p in problems] == ["bad.jpg", "v.mp4"]
    assert len(read(Source(path, confidence=0.05), "megadetector")[0]["a.jpg"].boxes) == 3


def test_megadetector_as_a_plain_list(tmp_path: Path) -> None:
    path = tmp_path / "md.json"
    box = {"category": "animal", "confidence": 0.93, "bbox": [10.0, 20.0, 40.0, 60.0]}
    path.write_text(json.dumps([{"file": "a.jpg", "detections": [box]}]))
    found, _ = read(Source(path), "megadetector")
    assert not found["a.jpg"].relative
    assert found["a.jpg"].boxes == (Box("animal", 10, 20, 30, 40),)


def test_folders_name_classes_and_splits(tmp_path: Path) -> None:
    for place in ("train/Shark/a.jpg", "val/Shark/b.JPG", "Ray/c.png", "loose.jpg"):
        save(tmp_path / place)
    (tmp_path / "train/Shark/notes.txt").write_text("no picture")
    found, _ = read(Source(tmp_path), "folders")
    assert {name: (f.label, f.split) for name, f in found.items()} == {
        "a.jpg": ("Shark", "train"), "b.JPG": ("Shark", "valid"), "c.png": ("Ray", None),
    }  # fmt: skip


def test_what_is_no_data_set_is_refused_with_the_formats(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing at"):
        importers.find("auto", tmp_path / "none")
    with pytest.raises(UsageError, match=r"looks like none of ncfm, .*folders"):
        importers.find("auto", tmp_path)
    with pytest.raises(UsageError, match="No format 'cocoa'"):
        importers.find("cocoa", tmp_path)
    (tmp_path / "broken.json").write_text('{"images": [')
    with pytest.raises(UsageError, match=r"broken\.json is no JSON"):
        list(importers.IMPORTERS["coco"].read(Source(tmp_path / "broken.json")))


@pytest.mark.parametrize("name", sorted(importers.IMPORTERS))
def test_every_format_says_what_it_is(name: str) -> None:
    assert len(importers.IMPORTERS[name].help) > 20
