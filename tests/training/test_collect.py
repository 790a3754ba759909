"""Kept pictures become tasks for Label Studio and CVAT."""

from __future__ import annotations

import csv
import json
import random
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deckwatch_serving.keep import FolderStore, open_store
from deckwatch_training import catalogue
from deckwatch_training.collect import rank
from deckwatch_vision.errors import UsageError
from tests.s3 import s3_server
from tests.serving.keeping import likelihoods, result
from tests.training.collecting import (
    VESSELS,
    answers,
    by_name,
    keep_twelve,
    record,
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


def test_interest_comes_first_and_the_same_every_time() -> None:
    records = [record(seed, score=0.1 + seed / 50)[0] for seed in range(30)]
    first = rank(records)
    random.Random(1).shuffle(records)
    assert rank(records) == first
    assert first[0].score == max(each.score for each in records)
    assert rank(records, 5) == first[:5]
    assert rank([]) == []


def test_vessels_species_and_scenes_take_turns() -> None:
    many = [record(seed, score=0.8, vessel="Aurora")[0] for seed in range(20)]
    few = [record(seed, score=0.6, vessel="Borealis")[0] for seed in range(20, 24)]
    shark = record(30, score=0.6, vessel="Aurora", answer=answers(5))[0]
    picked = rank([*many, *few, shark], 8)
    assert sum(each.origin.vessel == "Borealis" for each in picked) >= 3
    assert shark in picked[:4]
    same = [record(seed, score=0.8, likeness=0b1011)[0] for seed in range(5)]
    other = record(9, score=0.5, likeness=2**64 - 1)[0]
    assert rank([*same, other])[1] == other


def test_a_lazy_ranking_is_the_greedy_one() -> None:
    from deckwatch_training.collect import _Worth

    chance = random.Random(7)
    records = [
        record(
            seed, score=chance.random(), vessel=chance.choice(VESSELS),
            likeness=chance.choice((0, 1, 2**63)), answer=answers(seed),
        )[0]
        for seed in range(40)
    ]  # fmt: skip
    left, worth, greedy = sorted(records, key=lambda each: each.sha256), _Worth(), []
    while left:
        best = max(left, key=worth.of)  # of equals the first by digest
        left.remove(best)
        worth.picked(best)
        greedy.append(best)
    assert rank(records) == greedy


def test_a_folder_of_tasks_holds_everything(tasks: Path, kept: Path) -> None:
    predicted = catalogue.read(tasks / "predicted.json")
    assert len(predicted) == 12
    with (tasks / "ranking.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == list(range(1, 13))
    assert [row["image"] for row in rows] == [entry.file for entry in predicted.entries]
    assert rows[0]["why"] == "unsure 0.90"
    assert rows[0]["release"] == "tiny 3"
    for entry in predicted.entries:
        digest = entry.file[6:70]
        original = kept / digest[:2] / f"{digest}.jpg"
        assert predicted.path(entry).read_bytes() == original.read_bytes()
    page = (tasks / "ranking.html").read_text()
    assert page.count("data:image/jpeg") == 12
    assert "Aurora" in page


def test_label_studio_gets_boxes_in_percent(tasks: Path) -> None:
    content = json.loads((tasks / "label-studio.json").read_text())
    predicted = by_name(catalogue.read(tasks / "predicted.json"))
    config = ET.fromstring((tasks / "label-studio.xml").read_text())
    control = config.find("RectangleLabels")
    assert control is not None
    codes = [label.get("value") for label in control]
    assert codes == ["OTHER", "SHARK", "RAY"]
    image = config.find("Image")
    assert image is not None
    variables = {image.get("value"), config.find("Header").get("value")}  # type: ignore[union-attr]
    for task in content:
        assert {f"${key}" for key in task["data"]} >= variables
        name = task["data"]["file"]
        assert task["data"]["image"] == f"/data/local-files/?d=tasks/images/{name}"
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == task["meta"]["release"] == "tiny 3"
        entry = predicted[name]
        assert len(prediction["result"]) == len(entry.boxes)
        for region, box in zip(prediction["result"], entry.boxes, strict=True):
            assert (region["from_name"], region["to_name"]) == (
                control.get("name"),
                control.get("toName"),
            )
            assert region["to_name"] == image.get("name")
            value = region["value"]
            assert value["rectanglelabels"] == [box.label]
            assert value["x"] / 100 * 128 == pytest.approx(box.x)
            assert value["height"] / 100 * 96 == pytest.approx(box.height)
            assert 0 <= value["x"] <= value["x"] + value["width"] <= 100


def test_cvat_gets_frames_in_order_and_attributes_it_knows(tasks: Path) -> None:
    root = ET.parse(tasks / "cvat.xml").getroot()
    labels = json.loads((tasks / "cvat-labels.json").read_text())
    assert root.findtext("version") == "1.1"
    names = [image.get("name") for image in root.iter("image")]
    assert names == sorted(path.name for path in (tasks / "images").iterdir())
    assert [image.get("id") for image in root.iter("image")] == [str(n) for n in range(12)]
    assert [each["name"] for each in labels] == [
        each.findtext("name") for each in root.iter("label")
    ]
    known = {
        (label["name"], attribute["name"]) for label in labels for attribute in label["attributes"]
    }
    for box in root.iter("box"):
        for attribute in box:
            assert (box.get("label"), attribute.get("name")) in known
            assert 0 <= float(str(attribute.text)) <= 1


def test_only_one_tool_further_labels_and_links(kept: Path, tmp_path: Path) -> None:
    run("collect", kept, "--out", tmp_path / "a", "--format", "cvat", "--limit", 3,
        "--label", "TURTLE", "--link")  # fmt: skip
    assert not (tmp_path / "a/label-studio.json").exists()
    labels = json.loads((tmp_path / "a/cvat-labels.json").read_text())
    assert [each["name"] for each in labels] == ["OTHER", "SHARK", "RAY", "TURTLE"]
    (first, *_) = sorted((tmp_path / "a/images").iterdir())
    assert first.stat().st_nlink == 2
    run("collect", kept, "--out", tmp_path / "b", "--format", "label-studio",
        "--picture-url", "https://pictures.example/w30/", "--known", tmp_path / "a")  # fmt: skip
    content = json.loads((tmp_path / "b/label-studio.json").read_text())
    assert len(content) == 9, "those of the first round are left out"
    assert content[0]["data"]["image"].startswith("https://pictures.example/w30/00001-")
    assert not (tmp_path / "b/cvat.xml").exists()


def test_an_interrupted_run_goes_on_and_a_finished_one_is_not_touched(
    kept: Path, tasks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tasks"
    shutil.copytree(tasks, out)
    (out / "predicted.json").unlink()
    first, second, *_ = sorted((out / "images").iterdir())
    first.unlink()
    stray = second.with_name("99999" + second.name[5:])
    stray.write_bytes(b"of another ranking")
    before = second.stat().st_mtime_ns
    run("collect", kept, "--out", out)
    assert first.exists()
    assert second.stat().st_mtime_ns == before
    assert not stray.exists()
    with pytest.raises(UsageError, match="holds tasks already"):
        run("collect", kept, "--out", out)


def test_damaged_pictures_are_listed_and_the_rest_is_packed(kept: Path, tmp_path: Path) -> None:
    source = tmp_path / "kept"
    shutil.copytree(kept, source)
    pictures = sorted(source.glob("??/*.jpg"))
    pictures[0].write_bytes(b"changed")
    pictures[1].unlink()
    pictures[2].with_suffix(".json").write_text("{}")
    shown = run("collect", source, "--out", tmp_path / "tasks", code=3)
    assert "9 of 11 pictures are ready" in shown
    for path in (pictures[0], pictures[1], pictures[2].with_suffix(".json")):
        assert str(path) in shown
    assert [entry.file[:5] for entry in catalogue.read(tmp_path / "tasks/predicted.json").entries][
        -1
    ] == "00009"


def test_tiff_is_packed_as_browsers_show_it(tmp_path: Path) -> None:
    import cv2

    pixels = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    data = cv2.imencode(".tiff", pixels)[1].tobytes()
    one, _ = record(1)
    answer = result(data, likelihoods(OTHER=0.5))
    store = FolderStore(tmp_path / "kept")
    from dataclasses import replace

    one = replace(one, sha256=str(answer.image.sha256), format="tiff", result=answer)
    store.keep(one, data)
    store.close()
    run("collect", tmp_path / "kept", "--out", tmp_path / "tasks")
    (shown,) = (tmp_path / "tasks/images").iterdir()
    assert shown.suffix == ".jpg"
    assert shown.read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["{empty}"], "No picture to label in .*DECKWATCH_KEEP"),
        (["{kept}", "--known", "nowhere"], "No data set nowhere"),
        (["{kept}", "--known", "{tasks}"], "new and of enough interest"),
        (["s3://"], "Give s3://bucket/prefix"),
    ],
)
def test_a_users_mistake_is_one_sentence(
    words: list[str], what: str, kept: Path, tasks: Path, tmp_path: Path
) -> None:
    places = {"{empty}": str(tmp_path), "{kept}": str(kept), "{tasks}": str(tasks)}
    with pytest.raises(UsageError, match=what):
        run("collect", *(places.get(word, word) for word in words), "--out", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "tasks"
    with pytest.raises(UsageError, match=r"Cannot write .*/file/tasks"):
        run("collect", kept, "--out", out)
    with pytest.raises(UsageError, match=r"is a file. Give a folder"):
        run("collect", kept, "--out", tmp_path / "file")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server with an empty bucket `catch`."""
    with s3_server(monkeypatch, "catch"):
        yield


@pytest.mark.usefixtures("s3")
def test_from_a_bucket(tmp_path: Path) -> None:
    store = open_store("s3://catch/kept")
    wanted = [record(seed, vessel=VESSELS[seed % 3], answer=answers(seed)) for seed in range(4)]
    for one, data in wanted:
        assert store.keep(one, data) == "kept"
    store.close()
    run("collect", "s3://catch/kept", "--out", tmp_path / "tasks", "--limit", 3)
    found = catalogue.read(tmp_path / "tasks/predicted.json")
    assert len(found) == 3
    pictures = {kept.sha256: data for kept, data in wanted}
    assert all(found.path(e).read_bytes() == pictures[e.file[6:70]] for e in found.entries)
    with pytest.raises(UsageError, match="--link needs a folder"):
        run("collect", "s3://catch/kept", "--out", tmp_path / "linked", "--link")
