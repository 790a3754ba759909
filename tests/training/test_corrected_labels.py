"""What people make of the tasks comes back as a data set."""

from __future__ import annotations

import copy
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deckwatch_serving.keep import FolderStore, Kept, Origin
from deckwatch_training import catalogue
from deckwatch_training.catalogue import Box, Entry
from deckwatch_training.importers import IMPORTERS, find
from deckwatch_training.importers.source import Found, Problem, Source
from deckwatch_vision.errors import UsageError
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.result import ImageInfo, ReleaseInfo, Result
from tests.serving.keeping import likelihoods, result
from tests.training.collecting import (
    assert_same,
    by_name,
    keep_twelve,
    run,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    keep_twelve(folder)
    return folder


@pytest.fixture(scope="module")
def tasks(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("work") / "tasks"
    shown = run("collect", kept, "--out", out)
    assert "12 of 12 pictures are ready" in shown
    return out


def corrected(task: dict[str, Any]) -> dict[str, Any]:
    """What Label Studio exports after a person submitted the predictions as they were."""
    done = copy.deepcopy(task)
    regions = done.pop("predictions")[0]["result"]
    done |= {"id": 7, "annotations": [{"id": 1, "was_cancelled": False, "result": regions}]}
    return done


def exported(tasks: Path, change: Any = lambda tasks: None) -> Path:
    """A Label Studio export beside the tasks; `change` is the person."""
    done = [corrected(task) for task in json.loads((tasks / "label-studio.json").read_text())]
    change(done)
    path = tasks / "export.json"
    path.write_text(json.dumps(done))
    return path


@pytest.fixture
def fresh(tasks: Path, tmp_path: Path) -> Path:
    """A copy of the tasks that a test may write into."""
    shutil.copytree(tasks, tmp_path / "tasks")
    return tmp_path / "tasks"


@pytest.mark.parametrize("tool", ["label-studio", "cvat"])
def test_what_is_submitted_unchanged_comes_back_unchanged(
    tool: str, fresh: Path, tmp_path: Path
) -> None:
    path = exported(fresh) if tool == "label-studio" else fresh / "cvat.xml"
    run("import", path, "--out", tmp_path / "data", "--guess-night")
    found, wanted = (
        by_name(catalogue.read(each)) for each in (tmp_path / "data", fresh / "predicted.json")
    )
    assert found.keys() == wanted.keys()
    assert {len(entry.boxes) for entry in wanted.values()} == {0, 1, 2, 3}
    for name, entry in wanted.items():
        assert_same(found[name], entry if entry.boxes else _no_fish(entry))


def _no_fish(entry: Entry) -> Entry:
    from dataclasses import replace

    return replace(entry, label="NoF")


def _task_with(tasks: list[dict[str, Any]], boxes: int) -> dict[str, Any]:
    return next(each for each in tasks if len(each["annotations"][0]["result"]) == boxes)


def test_corrections_in_label_studio(fresh: Path, tmp_path: Path) -> None:
    names: dict[str, str] = {}

    def person(tasks: list[dict[str, Any]]) -> None:
        relabelled, emptied = _task_with(tasks, 1), _task_with(tasks, 2)
        turned, drawn = _task_with(tasks, 3), _task_with(tasks, 0)
        skipped, undone = [
            each for each in tasks if each not in (relabelled, emptied, turned, drawn)
        ][:2]
        for key, task in {
            "relabelled": relabelled, "emptied": emptied, "turned": turned, "drawn": drawn,
            "skipped": skipped, "undone": undone,
        }.items():  # fmt: skip
            names[key] = task["data"]["file"]
        region = relabelled["annotations"][0]["result"][0]
        region["value"]["rectanglelabels"] = ["TURTLE"]
        emptied["annotations"][0]["result"] = []
        # 40 x 20 pixels at 64, 48, turned by a right angle about that corner: it hangs to its left.
        value = {"x": 50, "y": 50, "width": 31.25, "height": 100 / 4.8, "rotation": 90}
        turned["annotations"][0]["result"] = [
            region | {"value": value | {"rectanglelabels": ["RAY"]}}
        ]
        ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 25, "rotation": 0}
        polygon = {"points": [[0, 0], [50, 0], [25, 50]], "closed": True}
        drawn["annotations"] = [
            {"id": 3, "updated_at": "2026-07-03", "was_cancelled": False, "result": []},
            {"id": 4, "updated_at": "2026-07-04", "was_cancelled": False, "result": [
                region | {"type": "ellipselabels", "value": ellipse | {"ellipselabels": ["OTHER"]}},
                region | {"type": "polygonlabels", "value": polygon | {"polygonlabels": ["SHARK"]}},
                {"type": "choices", "value": {"choices": ["blurred"]}},
            ]},
            {"id": 5, "updated_at": "2026-07-05", "was_cancelled": True, "result": []},
        ]  # fmt: skip
        skipped["annotations"][0]["was_cancelled"] = True
        undone["annotations"] = []

    path = exported(fresh, person)
    labels = tmp_path / "labels.yaml"
    labels.write_text("labels: {TURTLE: OTHER, OTHER: OTHER, SHARK: SHARK, RAY: RAY, NoF: NoF}\n")
    run("import", path, "--out", tmp_path / "data", "--labels", labels, code=3)
    found = by_name(catalogue.read(tmp_path / "data"))
    assert len(found) == 10
    assert [box.label for box in found[names["relabelled"]].boxes] == ["OTHER"]
    assert (found[names["emptied"]].boxes, found[names["emptied"]].label) == ((), "NoF")
    (box,) = found[names["turned"]].boxes
    assert (box.x, box.y, box.width, box.height) == pytest.approx((44, 48, 20, 40))
    round_one, triangle = found[names["drawn"]].boxes
    assert round_one == Box("OTHER", *(pytest.approx(v) for v in (32, 24, 64, 48)))  # type: ignore[arg-type]
    assert (triangle.x, triangle.y, triangle.width, triangle.height) == pytest.approx(
        (0, 0, 64, 48)
    )
    assert not {names["skipped"], names["undone"]} & found.keys()
    problems = (tmp_path / "data/problems.csv").read_text()
    assert "was skipped" in problems
    assert "has no labels yet" in problems
    assert "2 annotations; the last one counts" in problems


def test_json_min_and_uploaded_names(fresh: Path, tmp_path: Path) -> None:
    flat = []
    for task in json.loads((fresh / "label-studio.json").read_text()):
        data = {key: value for key, value in task["data"].items() if key != "file"}
        name = task["data"]["file"]
        regions = [
            each["value"] | {key: each[key] for key in ("original_width", "original_height")}
            for each in task["predictions"][0]["result"]
        ]
        data |= {"image": f"/data/upload/3/0a1b2c3d-{name}", "id": 1, "annotator": 1}
        flat.append(data | ({"label": regions} if regions else {}))
    (tmp_path / "min.json").write_text(json.dumps(flat))
    assert find("auto", tmp_path / "min.json")[0] == "label_studio"
    run("import", tmp_path / "min.json", "--images", fresh / "images", "--out", tmp_path / "data")
    wanted = by_name(catalogue.read(fresh / "predicted.json"))
    for name, entry in by_name(catalogue.read(tmp_path / "data")).items():
        assert_same(entry, wanted[name] if wanted[name].boxes else _no_fish(wanted[name]))


def _read(name: str, path: Path) -> tuple[list[Found], list[Problem]]:
    items = list(IMPORTERS[name].read(Source(path)))
    return [i for i in items if isinstance(i, Found)], [i for i in items if isinstance(i, Problem)]


def test_label_studio_shapes_that_are_no_box_are_named(tmp_path: Path) -> None:
    region = {
        "original_width": 100, "original_height": 50, "image_rotation": 0,
        "type": "rectanglelabels",
        "value": {"x": 0, "y": 0, "width": 10, "height": 10, "rotation": 0, "rectanglelabels": []},
    }  # fmt: skip
    turned = {**region, "image_rotation": 90}
    brush = {**region, "type": "brushlabels"}
    odd = [
        {"data": {"image": f"x/{name}.jpg"}, "annotations": [{"id": 1, "result": [each]}]}
        for name, each in (("none", region), ("turned", turned), ("brush", brush))
    ]
    odd.append({"data": {"text": "no picture"}, "annotations": [{"id": 1, "result": []}]})
    odd.append(
        {
            "data": {"image": "y.jpg"},
            "annotations": [{"id": 1, "result": [{"type": "rectanglelabels"}]}],
        }
    )
    path = tmp_path / "e.json"
    path.write_text(json.dumps(odd))
    found, problems = _read("label_studio", path)
    assert [each.path.name for each in found] == ["none.jpg", "brush.jpg"]
    assert [each.lost for each in problems] == [False, True, False, True, True]
    assert "0 labels" in problems[0].what
    assert "turned by 90 degrees" in problems[1].what
    assert "brushlabels" in problems[2].what
    path.write_text("{}")
    with pytest.raises(UsageError, match="no export of Label Studio"):
        _read("label_studio", path)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta/>
  <image id="0" name="sub/a.jpg" width="200" height="100">
    <box label="SHARK" source="manual" xtl="80" ytl="45" xbr="120" ybr="55" rotation="90"/>
    <ellipse label="RAY" cx="50" cy="50" rx="20" ry="10" rotation="90"/>
    <polygon label="OTHER" points="10.5,20;30,20;30,44.5"/>
    <mask label="OTHER" rle="3, 4" left="7" top="8" width="9" height="10"/>
    <polyline label="OTHER" points="1,2;3,4"/>
    <tag label="OTHER"/>
  </image>
  <image id="1" name="b.jpg" width="200" height="100"><tag label="SHARK" source="manual"/></image>
  <image id="2" name="c.jpg" width="200" height="100"/>
  <image id="3" name="d.jpg" height="100"/>
</annotations>
"""


def test_cvat_shapes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as archive:
        archive.writestr("annotations.xml", CVAT)
    (tmp_path / "annotations.xml").write_text(CVAT)
    for path in (tmp_path, tmp_path / "annotations.xml", tmp_path / "job.zip"):
        assert find("auto", path)[0] == "cvat"
        found, problems = _read("cvat", path)
        a, b, c = found
        turned, ellipse, polygon, mask = a.boxes
        for box, wanted in (
            (turned, (95, 30, 10, 40)),
            (ellipse, (40, 30, 20, 40)),
            (polygon, (10.5, 20, 19.5, 24.5)),
            (mask, (7, 8, 9, 10)),
        ):
            assert (box.x, box.y, box.width, box.height) == pytest.approx(wanted)
        assert [box.label for box in a.boxes] == ["SHARK", "RAY", "OTHER", "OTHER"]
        assert (a.label, b.label, c.label) == (None, "SHARK", "NoF")
        assert a.size == (200, 100)
        assert [each.lost for each in problems] == [False, True]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("<annotations>", "is no XML"),
        ("<annotations><track id='0'/></annotations>", "is of a video"),
        ("<annotation/>", "no pictures with shapes"),
    ],
)
def test_other_xml_is_refused(content: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(content)
    with pytest.raises(UsageError, match=what):
        _read("cvat", tmp_path / "x.xml")


def test_a_zip_without_annotations_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as archive:
        archive.writestr("other.xml", CVAT)
    with pytest.raises(UsageError, match=r"no ZIP with annotations\.xml"):
        _read("cvat", tmp_path / "job.zip")


def test_turned_pictures_keep_their_upright_boxes(tmp_path: Path) -> None:
    """A camera that stores its pictures lying: tools show and label them upright."""
    import io

    from PIL import Image

    stored = Image.open(io.BytesIO(encode_jpeg(np.zeros((96, 128, 3), np.uint8))))
    exif = Image.Exif()
    exif[274] = 6
    held = io.BytesIO()
    stored.save(held, "JPEG", exif=exif)
    data = held.getvalue()
    of = likelihoods(SHARK=0.9)
    made = result(data, of, (0.9, of))
    made = Result(
        made.label, made.likelihoods, made.fish, ImageInfo(None, 96, 128, made.image.sha256),
        ReleaseInfo("tiny", 3),
    )  # fmt: skip
    one = Kept(
        sha256=str(made.image.sha256), format="jpeg", size=len(data), score=0.9,
        reasons={"sensitive": 0.9}, origin=Origin("Aurora"), night=True, likeness=1,
        kept_at="2026-07-02T00:00:00+00:00", result=made,
    )  # fmt: skip
    store = FolderStore(tmp_path / "kept")
    store.keep(one, data)
    store.close()
    run("collect", tmp_path / "kept", "--out", tmp_path / "tasks")
    (tmp_path / "tasks/images").rename(tmp_path / "elsewhere")
    for path in (exported(tmp_path / "tasks"), tmp_path / "tasks/cvat.xml"):
        out = tmp_path / path.suffix[1:]
        run("import", path, "--out", out, "--images", tmp_path / "elsewhere")
        (entry,) = catalogue.read(out).entries
        assert (entry.width, entry.height, entry.vessel) == (96, 128, "Aurora")
        (box,) = entry.boxes
        assert (box.x, box.y, box.width, box.height) == pytest.approx((10, 20, 50, 50))
