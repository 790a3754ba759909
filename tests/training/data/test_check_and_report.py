"""What is wrong with a data set, how it is balanced, and the page about it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deckwatch_training import catalogue, data_check
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.data_check import Checked
from deckwatch_training.label_files import read_rows
from deckwatch_training.looks import Look
from deckwatch_vision.errors import UsageError
from tests.training.data.helpers import deckwatch_data, save

Simulated = tuple[Path, Catalogue, list[Look]]
FISH = Box("ALB", 10, 10, 30, 20)


def written(folder: Path, *entries: Entry, seeds: tuple[int, ...] = ()) -> Path:
    """A data set of these pictures, each painted with its own seed."""
    for i, entry in enumerate(entries):
        save(folder / entry.file, seeds[i] if seeds else i, 96, 72)
    catalogue.write(Catalogue(folder, entries), folder / "data.json")
    return folder


def entry(file: str, *boxes: Box, **facts: object) -> Entry:
    known: dict = {"vessel": "Aurora", "licence": "CC0-1.0"} | facts
    return Entry(file, 96, 72, boxes, **known)


def kinds(checked: Checked) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for issue in checked.issues:
        found.setdefault(issue.kind, []).append(f"{issue.file}: {issue.what}")
    return found


def test_a_sound_data_set_has_nothing_to_mend(vessels: Simulated) -> None:
    folder, data, _ = vessels
    done = deckwatch_data("check", folder)
    assert done.stdout.splitlines()[0].startswith(f"{len(data)} pictures, ")
    assert done.stdout.endswith("nothing to mend\n")


def test_files_and_boxes(tmp_path: Path) -> None:
    folder = written(
        tmp_path, entry("a.jpg", FISH, Box("ALB", 80, 60, 30, 20), Box("BET", 1, 1, 5, 30)),
        entry("gone.jpg", FISH), replace(entry("size.jpg", FISH), width=72, height=96),
        entry("nan.jpg", Box("ALB", float("nan"), 1, 5, 5)),
    )  # fmt: skip
    (folder / "gone.jpg").unlink()
    found = kinds(data_check.check(folder))
    assert found["unreadable"] == [
        "gone.jpg: cannot be opened: No such file or directory. Correct the path or copy it"
    ]
    assert found["size"] == ["size.jpg: 96 x 72 pixels, the data set says 72 x 96"]
    assert [text.partition(":")[0] for text in found["box"]] == ["a.jpg", "nan.jpg"]
    assert found["tiny"] == ["a.jpg: BET box of 5 x 30 at 1, 1"]
    done = deckwatch_data("check", folder, "--json", code=3)
    told = json.loads(done.stdout)
    assert (told["pictures"], told["boxes"], told["wrong"]) == (4, 6, 4)
    assert told["counts"] == {"unreadable": 1, "size": 1, "box": 2, "tiny": 1}
    assert told["issues"][0]["file"] == "gone.jpg"


def test_labels_that_contradict_each_other(tmp_path: Path) -> None:
    shark = replace(FISH, label="SHARK")
    folder = written(
        tmp_path,
        entry("one.jpg", FISH), entry("same.jpg", shark),  # equal files
        entry("two.jpg", FISH, Box("ALB", 11, 10, 30, 20)), entry("both.jpg", FISH, shark),
        entry("code.jpg", Box("XYZ", 1, 1, 20, 20)),
        seeds=(0, 0, 2, 3, 4),
    )  # fmt: skip
    found = kinds(data_check.check(folder))
    assert found["conflict"] == [
        "both.jpg: two boxes at 10, 10 round one animal say ALB and SHARK",
        "one.jpg: the same picture as same.jpg, labelled ALB or SHARK",
    ]
    assert found["twice"] == ["two.jpg: two ALB boxes at 10, 10 round one animal"]
    assert found["code"] == ["code.jpg: no description of the species XYZ"]


def test_frames_that_look_alike_are_doubted_where_a_fish_changed_its_species(
    tmp_path: Path,
) -> None:
    moved = Box("YFT", 60, 40, 20, 20)
    folder = tmp_path
    for name, quality in (("a", 90), ("b", 70), ("c", 50)):
        save(folder / f"{name}.jpg", 1, 320, 240, quality=quality)
    entries = (
        replace(entry("a.jpg", FISH), width=320, height=240),
        replace(entry("b.jpg", replace(FISH, label="BET", x=12)), width=320, height=240),
        replace(entry("c.jpg", moved), width=320, height=240),  # another fish, elsewhere
    )
    catalogue.write(Catalogue(folder, entries), folder / "data.json")
    found = kinds(data_check.check(folder))
    assert found == {"doubt": ["b.jpg: the BET at 12, 10 is ALB on a.jpg, which looks alike"]}


def test_leaks_and_what_nobody_noted(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        entry("a.jpg", FISH, split="train"), entry("b.jpg", FISH, split="valid"),
        entry("c.jpg", FISH, vessel=None, licence=None, split="train"),
        entry("d.jpg", FISH, vessel=None, split="valid"),
        seeds=(0, 1, 2, 2),
    )  # fmt: skip
    found = kinds(data_check.check(folder))
    assert found["leak"] == [
        "a.jpg: Aurora: 1 in train, 1 in valid",
        "c.jpg: 2 pictures that belong together: 1 in train, 1 in valid",
    ]
    assert found["licence"] == ["c.jpg: 1 of 4 pictures"]
    assert found["vessel"] == ["c.jpg: 2 of 4 pictures"]


def test_weights_make_species_equal_within_each_vessel(tmp_path: Path) -> None:
    entries = [entry(f"{i}.jpg", FISH, split="train") for i in range(9)]
    entries.append(entry("shark.jpg", replace(FISH, label="SHARK"), split="train"))
    entries.append(entry("valid.jpg", FISH, vessel="Borealis", split="valid"))
    folder = written(tmp_path, *entries)
    out = tmp_path / "weights.csv"
    done = deckwatch_data("balance", folder, "--out", out, "--sensitive-factor", 3)
    read = list(read_rows(out))
    assert len(read) == 10  # what is measured on is not weighed
    sums = {code: sum(r.weight for r in read if r.label == code) for code in ("ALB", "SHARK")}
    assert sums == pytest.approx({"ALB": 2.5, "SHARK": 7.5})
    assert done.stdout.splitlines()[-1].split() == ["all", "all", "10", "1.00", "10.00"]
    assert "SHARK *" in done.stdout
    with pytest.raises(UsageError, match="--force"):
        deckwatch_data("balance", folder, "--out", out)
    deckwatch_data("balance", folder, "--out", out, "--split", "all", "--force", "--equal-vessels")
    by_vessel: dict[str | None, float] = {}
    for row in read_rows(out):
        by_vessel[row.vessel] = by_vessel.get(row.vessel, 0) + row.weight
    assert by_vessel == pytest.approx({"Aurora": 5.5, "Borealis": 5.5}, rel=1e-4)
    with pytest.raises(UsageError, match="no pictures of the split test"):
        deckwatch_data("balance", folder, "--out", tmp_path / "x.csv", "--split", "test")


def test_the_report_is_one_page_that_stands_alone(vessels: Simulated, tmp_path: Path) -> None:
    folder, data, _ = vessels
    before = tmp_path / "before"
    some = [e for e in data.entries if e.vessel != data.entries[0].vessel]
    catalogue.write(data.having(some), before / "data.json")
    out = tmp_path / "report.html"
    done = deckwatch_data("report", folder, "--out", out, "--before", before)
    assert done.stdout.strip() == str(out)
    html = out.read_text()
    for heading in (
        "What is in it", "What has changed", "Species, vessels, day and night", "Box sizes",
        "Sensitive species", "Sources and licences", "Duplicates", "Label conflicts", "Problems",
        "Contact sheet",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in html
    assert html.count("data:image/png") == 3
    assert html.count("data:image/jpeg") > 8
    assert "http" not in html.replace("http-equiv", "")
    assert f"New: 1 vessels or cameras, {data.entries[0].vessel}." in html
    with pytest.raises(UsageError, match="--force"):
        deckwatch_data("report", folder, "--out", out)


def test_the_report_copes_with_what_is_broken(tmp_path: Path) -> None:
    shark = replace(FISH, label="SHARK")
    folder = written(
        tmp_path / "data", entry("a.jpg", FISH), entry("b.jpg", shark), entry("gone.jpg", FISH),
        entry("none.jpg"), seeds=(0, 0, 1, 2),
    )  # fmt: skip
    (folder / "gone.jpg").unlink()
    (folder / "problems.csv").write_text(
        "file,what,do,lost\nold.jpg,<missing>,Copy it again.,yes\n"
    )
    deckwatch_data("report", folder, "--out", tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text()
    assert "the same picture as b.jpg, labelled ALB or SHARK" in html
    assert "&lt;missing&gt;" in html
    assert "cannot be opened" in html


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    catalogue.write(Catalogue(tmp_path, ()), tmp_path / "data.json")
    with pytest.raises(UsageError, match="holds no pictures"):
        deckwatch_data("report", tmp_path, "--out", tmp_path / "r.html")
    with pytest.raises(UsageError, match="holds no pictures"):
        deckwatch_data("split", tmp_path, "--out", tmp_path / "d")
    assert "0 pictures" in deckwatch_data("check", tmp_path).stdout
