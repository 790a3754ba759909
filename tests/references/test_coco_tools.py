"""pycocotools loads our data set and results, and evaluates one against the other."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from deckwatch_client.records import Record
from tests.client.formats.some_records import one_fish, plain_result, some_records, write_run


def loaded(path: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def evaluated(truth: Any, results: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(str(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def test_the_data_set_holds_every_fish(tmp_path: Path) -> None:
    records = some_records()
    coco = loaded(write_run(["coco"], records, tmp_path) / "coco.json")
    seen = {number: record for number, record in enumerate(records, 1) if record.result}
    assert set(coco.getImgIds()) == set(seen)
    assert len(coco.getCatIds()) == 7
    for number, record in seen.items():
        assert record.result is not None
        assert coco.imgs[number]["file_name"] == record.name
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=number))
        names = [coco.cats[each["category_id"]]["name"] for each in annotations]
        assert names == [fish.label for fish in record.result.fish]
        for each, fish in zip(annotations, record.result.fish, strict=True):
            x, y, width, height = each["bbox"]
            assert (x, y, x + width, y + height) == pytest.approx(fish.box)


def test_results_are_perfect_against_themselves(tmp_path: Path) -> None:
    out = write_run(["coco", "coco-results"], some_records(1), tmp_path)
    stats = evaluated(loaded(out / "coco.json"), out / "coco-results.json")
    assert stats[0] == pytest.approx(1)


def test_results_are_judged_by_place_species_and_score(tmp_path: Path) -> None:
    """Average precision of three fish found, one of them where none is and surer: known by hand."""
    truth = [
        Record(name, plain_result(name, one_fish("YFT", box=(100, 100, 200, 200))))
        for name in ("a.jpg", "b.jpg")
    ]
    found = [
        Record(
            "a.jpg", plain_result("a.jpg", one_fish("YFT", box=(100, 100, 200, 200), score=0.6))
        ),
        Record(
            "b.jpg",
            plain_result(
                "b.jpg",
                one_fish("YFT", box=(400, 300, 500, 400), score=0.9),
                one_fish("YFT", box=(100, 100, 200, 200), score=0.5),
            ),
        ),
    ]
    write_run(["coco"], truth, tmp_path / "truth")
    write_run(["coco-results"], found, tmp_path / "found")
    stats = evaluated(
        loaded(tmp_path / "truth" / "coco.json"), tmp_path / "found" / "coco-results.json"
    )
    # Ranked: wrong, right, right. Precision 1/2 at recall 1/2, then 2/3: 2/3 up to full recall.
    assert stats[1] == pytest.approx(2 / 3)


def test_a_run_without_fish_loads(tmp_path: Path) -> None:
    record = Record("a.jpg", plain_result("a.jpg"))
    coco = loaded(write_run(["coco"], [record], tmp_path) / "coco.json")
    assert coco.getAnnIds() == []
    assert coco.imgs[1]["width"] == 640
