"""The data set on disk, label files and report pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from deckwatch_serving.pages import Page
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.dataset import read_coco
from deckwatch_training.label_files import LabelRow, read_rows, write_rows
from deckwatch_vision.errors import UsageError

FULL = Entry(
    "boat/a.jpg", 100, 50, (Box("SHARK", 1.5, 2, 30, 20),), None, "boat", "stern",
    "2026-11-24T06:00:00Z", "logbook", "CC0-1.0", "train", True, "g1",
)  # fmt: skip
BARE = Entry("b.jpg", 10, 10, label="NoF")


def test_a_catalogue_comes_back_as_it_was(tmp_path: Path) -> None:
    given = Catalogue(tmp_path / "pictures", (FULL, BARE), {"name": "two"})
    path = tmp_path / "sets" / "dataset.json"
    catalogues.write(given, path)
    found = catalogues.read(path)
    assert found.entries == given.entries
    assert found.info == {"name": "two"}
    assert found.path(FULL).resolve() == (tmp_path / "pictures/boat/a.jpg").resolve()
    assert found.labels() == ("NoF", "SHARK")


def test_other_programs_read_a_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dataset.json"
    catalogues.write(Catalogue(tmp_path, (FULL, BARE)), path)
    coco = COCO(str(path))
    assert coco.loadAnns(coco.getAnnIds(imgIds=[1]))[0]["bbox"] == [1.5, 2, 30, 20]
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["NoF", "SHARK"]


def test_training_reads_one_split_of_a_catalogue(tmp_path: Path) -> None:
    valid = replace(FULL, file="c.jpg", split="valid", vessel="other")
    path = tmp_path / "dataset.json"
    catalogues.write(Catalogue(tmp_path, (FULL, BARE, valid)), path)
    assert [p.path.name for p in read_coco(path, split="valid").pictures] == ["b.jpg", "c.jpg"]
    first = read_coco(path).pictures[0]
    assert (first.group, first.night, first.names) == ("boat", True, ("SHARK",))
    assert read_coco(path).pictures[1].label == "NoF"


@pytest.mark.parametrize(
    ("entry", "unit"),
    [
        (FULL, "boat"),
        (replace(FULL, vessel=None), "stern"),
        (replace(FULL, vessel=None, camera=None), "g1"),
        (BARE, "b.jpg"),
    ],
)
def test_what_no_split_may_divide(entry: Entry, unit: str) -> None:
    assert entry.unit == unit


def test_label_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [
        LabelRow(
            "a.jpg", "SHARK", "boat", (1.5, 2.0, 30.25, 20.0), 0.125, "o.jpg", ("flip", "blur")
        ),
        LabelRow("ünder/b.jpg", "NoF"),
    ]
    write_rows(tmp_path / "labels.csv", rows, weights=True)
    assert list(read_rows(tmp_path / "labels.csv")) == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("picture,label\n", "no column image"),
        ("image,label\na.jpg,\n", "line 2: image 'a.jpg', label ''"),
        ("image,label,x,y,width,height\na.jpg,ALB,1,2,x,4\n", "line 2: could not convert"),
        ("image,label,x,y,width,height\na.jpg,ALB,1,2,0,4\n", "line 2: a box of 0 x 4"),
    ],
)
def test_a_bad_label_file_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=told) as found:
        list(read_rows(path))
    assert str(path) in found.value.message


def test_a_label_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_rows(path, [LabelRow("a.jpg", "ALB")], weights=False)

    def rows() -> object:
        yield LabelRow("b.jpg", "BET")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(path, rows(), weights=False)  # type: ignore[arg-type]
    assert [row.image for row in read_rows(path)] == ["a.jpg"]
    assert [each.name for each in tmp_path.iterdir()] == ["labels.csv"]


def test_a_page_stands_alone_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    page = Page("Report", "<b>not bold</b>")
    page.heading("Counts")
    page.table(("species", "n", "share"), [("<SHARK>", 3, 0.5)])
    page.pictures([(np.zeros((4, 4, 3), np.uint8), "black")])
    page.write(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert "&lt;b&gt;not bold" in html
    assert "<b>" not in html
    assert "&lt;SHARK&gt;" in html
    assert '<td class="number">0.500</td>' in html.replace("\n", "")
    assert "data:image/jpeg;base64," in html
    assert "http://" not in html
    assert "https://" not in html
